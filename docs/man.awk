# Usage: awk -v folder=FOLDER -v version=VERSION -f man.awk HEADER.h.3...
# Splits the man pages of Doxygen, one for each header, into one for each function and callback, and
# an overview of each header: FOLDER/dgram.3 of dgram.h.3. Prints each function's name, a tab and
# the part of the specification that it cites. Fails for a member without a description or without
# one of a parameter: Doxygen does not report an empty one.

function fail(what) {
  print "man.awk: " member ": no description of " what >"/dev/stderr"
  failed = 1
}

# Begins a page in the file `out`; its name, synopsis and first text. whatis(1) shows the summary.
function begin(name, synopsis, text, summary) {
  summary = text
  sub(/\\&\.( .*)?$/, "", summary)
  gsub(/\\f[BCIP]/, "", summary)
  printf ".TH %s 3 \"\" \"libdgram %s\" libdgram\n.nh\n.ad l\n", name, version >out
  printf ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B #include <%s>\n", name, summary, header >out
  printf ".PP\n.B %s\n.SH DESCRIPTION\n%s\n", synopsis, text >out
}

# Ends the page of a member.
function finish() {
  if (!member) return
  if (!begun) fail("itself")
  if (!parameters && signature !~ /\(void\)/) fail("its parameters")
  printf ".SH SEE ALSO\n.BR %s (3)\n", overview >out
  if (source) printf ".PP\nIn the documentation of Node.js: %s\n", source >out
  close(out)
  gsub(/\\&| *(;.*)?$/, "", source) # after a semicolon it may say more
  if (signature !~ /^typedef/) print member "\t" source
  member = ""
  out = folder "/" overview ".3"
}

FNR == 1 {
  finish()
  header = $2
  gsub(/"/, "", header)
  overview = header
  sub(/\.h$/, "", overview)
  out = folder "/" overview ".3"
  begun = 0
}
/^\.S[SH] / { finish() }
/^\.SH / { members = /(Function|Typedef) Documentation/ }
/^\.SH "?(NAME|Overview|Function|Typedef)/ { next }
/^\.SS / && members && / \(/ {
  signature = $0
  gsub(/^\.SS "|\\f[BP]|\\fC.*|"$/, "", signature)
  gsub(/\* /, "*", signature)
  match(signature, /dgram_[a-z_]+\)? \(/)
  member = substr(signature, RSTART, RLENGTH)
  sub(/\)? \($/, "", member)
  sub(" \\(", "(", signature)
  out = folder "/" member ".3"
  begun = parameters = paragraph = returns = 0
  section = source = ""
  next
}
{ gsub(/\(\)\\fP/, "\\fP(3)") }
!begun && /^[^.]/ && FNR > 5 {
  begin(member ? member : overview,
    member ? signature ";" : "cc server.c $(pkg\\-config \\-\\-cflags \\-\\-libs libdgram)", $0)
  begun = 1
  next
}
!begun { next }
!member {
  sub(/^'/, "\\\\\\&'") # at the beginning of a line it would begin a command
  if (!/^\./) gsub(/\\"/, "\\e\"") # there, of a comment
  sub(/\\$/, "\\e")
  print >out
  next
}
/^\.PP/ { paragraph = 1 }
/^(\.|$)/ { next } # the layout is this script's own
/^\\fB(Parameters|Return values|Returns|See also)\\fP$/ {
  section = substr($0, 4, length($0) - 6)
  if (section == "Parameters") print ".SH PARAMETERS" >out
  if (section ~ /Return/ && !returns++) print ".SH RETURN VALUE" >out
  paragraph = section == "Returns"
  next
}
section == "See also" {
  if (sub(/^spec: /, "")) source = $0
  next
}
section == "Parameters" || section == "Return values" {
  name = $0
  sub(/\\fP.*/, "\\fP", name)
  text = substr($0, length(name) + 2)
  if (name == "\\fI0\\fP" && text !~ /[^ ]/) text = "success"
  if (name == "\\fIUV_ENOMEM\\fP" && text !~ /[^ ]/) text = "no memory"
  if (text !~ /[^ ]/) fail(name)
  printf ".TP\n%s\n%s\n", name, text >out
  parameters += section == "Parameters"
  next
}
{
  if (paragraph) print ".PP" >out
  print >out
}
END {
  finish()
  exit failed
}
