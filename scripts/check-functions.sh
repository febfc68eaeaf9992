#!/bin/bash
# Lists functions over 80 lines outside tests/ and fails if there are any but
# the ones allowed below; prints how long functions are.
set -eu
cd "$(dirname "$0")/.."

readonly limit=80
# Of the form FILE:FUNCTION, each with the reason above it.
readonly allowed=' '

find bench config ktls pki proxy -name '*.c' -print0 |
    xargs -0 ctags -f - --kinds-C=f --fields=+ne --excmd=number |
    awk -F '\t' '{
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) start = substr($i, 6)
            if ($i ~ /^end:/) end = substr($i, 5)
        }
        print end - start + 1, $2 ":" start, $2 ":" $1
    }' | sort -n |
    awk -v limit="$limit" -v allowed="$allowed" '
        { lines[NR] = $1 }
        $1 > limit && !index(allowed, " " $3 " ") {
            printf "%s: %s has %d lines, over %d\n", $2, $3, $1, limit > "/dev/stderr"
            broken = 1
        }
        END {
            if (!NR) exit 1
            printf "%d functions: median %d lines, 90th percentile %d, longest %d\n", NR,
                lines[int((NR + 1) / 2)], lines[int(NR * 0.9 + 0.5)], lines[NR]
            exit broken
        }'
