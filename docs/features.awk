# awk -f docs/features.awk KNOWN docs/features.md: KNOWN has a line for each test, and for each
# function and constant of include/*.h. Fails unless each row of the table has a cell in each column
# and names a test beside the function, and all tests, functions and constants named there are known.

function report(what) {
  print FILENAME ":" FNR ": " what
  failed = 1
}

BEGIN { FS = "|" }

NR == FNR {
  known[$0]
  next
}

/^\| feature / { columns = NF }

/^\| / && !/^\| (feature|---) / {
  rows++
  if (NF != columns)
    report("a row of " NF - 2 " cells, not " columns - 2)

  cell = $3
  tests = 0
  while (match(cell, /[a-z]+\/[a-z_0-9]+|dgram_[a-z_0-9]+|DGRAM_[A-Z_0-9]+/)) {
    name = substr(cell, RSTART, RLENGTH)
    cell = substr(cell, RSTART + RLENGTH)
    tests += name ~ /\//
    if (!(name in known))
      report("neither a test nor in include: " name)
  }
  if (!tests)
    report("a row without a test:" $2)
}

END { exit failed || !rows }
