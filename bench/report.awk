# report.awk: the samples of bench/peers as a table or as JSON.
#
#   awk -v format=table|json -f report.awk results.csv
#
# Ratios compare ferrule with a peer within one round, because the machine's
# speed changes between rounds; what is printed is the median of those ratios.

BEGIN {
	FS = ","
}

FNR == 1 {
	next # heading
}

{
	round = $1; cell = $2; proxy = $3
	if (!(cell in unit_of)) {
		cells[++cell_count] = cell
		unit_of[cell] = $5
	}
	if (!((cell, proxy) in count)) {
		proxies_of[cell] = proxies_of[cell] (proxies_of[cell] == "" ? "" : ",") proxy
	}
	value[cell, proxy, ++count[cell, proxy]] = $4
	by_round[cell, proxy, round] = $4
	if ($9 != "")
		busy[cell, proxy, count[cell, proxy]] = $9 / $8 / 1e7
	if (round > rounds)
		rounds = round
}

# Sorts list[1..n]; n is a handful.
function sort(list, n,    i, j, x) {
	for (i = 2; i <= n; i++) {
		x = list[i]
		for (j = i - 1; j >= 1 && list[j] > x; j--)
			list[j + 1] = list[j]
		list[j + 1] = x
	}
}

# Leaves low, middle and high of list[1..n]; n is at least 1.
function summarize(list, n) {
	sort(list, n)
	low = list[1]
	high = list[n]
	middle = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function summarize_values(cell, proxy,    list, i) {
	for (i = 1; i <= count[cell, proxy]; i++)
		list[i] = value[cell, proxy, i] + 0
	summarize(list, count[cell, proxy])
}

# Returns the number of rounds in which both were measured.
function summarize_ratios(cell, peer,    list, n, r) {
	for (r = 1; r <= rounds; r++)
		if ((cell, "ferrule", r) in by_round && by_round[cell, peer, r] > 0)
			list[++n] = by_round[cell, "ferrule", r] / by_round[cell, peer, r]
	if (n > 0)
		summarize(list, n)
	return n + 0
}

# Three digits that matter, without an exponent.
function short(x) {
	return sprintf((x >= 100) ? "%.0f" : (x >= 10) ? "%.1f" : "%.2f", x)
}

function print_table(    c, p, n, proxies) {
	for (c = 1; c <= cell_count; c++) {
		printf "%-26s%8s  %-12s%3s%6s%10s  %s\n", cells[c] ", " unit_of[cells[c]],
			"median", "min..max", "n", "busy", "ferrule/", "min..max"
		n = split(proxies_of[cells[c]], proxies, ",")
		for (p = 1; p <= n; p++)
			print_row(cells[c], proxies[p])
		printf "\n"
	}
}

function print_row(cell, proxy,    line, share) {
	share = busy_text(cell, proxy)
	summarize_values(cell, proxy)
	line = sprintf("  %-24s%8s  %-12s%3d%6s", proxy, short(middle),
		short(low) ".." short(high), count[cell, proxy], share)
	if (proxy != "ferrule" && summarize_ratios(cell, proxy) > 0)
		line = line sprintf("%10.2f  %.2f..%.2f", middle, low, high)
	print line
}

# How much of its core the proxy used: below 100 % the load was the bottleneck.
function busy_text(cell, proxy,    list, i) {
	for (i = 1; i <= count[cell, proxy]; i++) {
		if (!((cell, proxy, i) in busy))
			return "-"
		list[i] = busy[cell, proxy, i]
	}
	summarize(list, count[cell, proxy])
	return sprintf("%.0f%%", middle)
}

function print_json(    c, p, n, proxies, separator) {
	print "["
	for (c = 1; c <= cell_count; c++) {
		n = split(proxies_of[cells[c]], proxies, ",")
		for (p = 1; p <= n; p++) {
			printf "%s", separator
			print_object(cells[c], proxies[p])
			separator = ",\n"
		}
	}
	print "\n]"
}

function print_object(cell, proxy,    samples) {
	summarize_values(cell, proxy)
	samples = count[cell, proxy]
	printf "{\"cell\":\"%s\",\"proxy\":\"%s\",\"unit\":\"%s\",\"samples\":%d,", cell, proxy,
		unit_of[cell], samples
	printf "\"median\":%.6g,\"min\":%.6g,\"max\":%.6g", middle, low, high
	if (proxy != "ferrule" && summarize_ratios(cell, proxy) > 0)
		printf ",\"ferrule_ratio\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g}", middle,
			low, high
	printf "}"
}

END {
	if (format == "json")
		print_json()
	else
		print_table()
}
