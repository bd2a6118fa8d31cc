# The median of value[key, column, 1..runs[key]].
function median(column, key,    i, j, count, sorted, held) {
  count = runs[key]
  for (i = 1; i <= count; i++) {
    held = value[key, column, i]
    for (j = i; j > 1 && sorted[j - 1] > held; j--) sorted[j] = sorted[j - 1]
    sorted[j] = held
  }
  return count % 2 ? sorted[(count + 1) / 2] : (sorted[count / 2] + sorted[count / 2 + 1]) / 2
}
