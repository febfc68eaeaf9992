#!/bin/bash
# Compiles every header alone, and twice in one file, with $CC, $CPPFLAGS and
# $CFLAGS (the Makefile passes the project's warnings).
set -eu
cd "$(dirname "$0")/.."

read -ra compile <<<"${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. ${CPPFLAGS:-} ${CFLAGS:--Wall -Wextra -Wpedantic -Werror}"
broken=0

# ISO C wants at least one declaration in a file.
while read -r header; do
    printf '#include "%s"\n#include "%s"\nextern int header_alone;\n' "$header" "$header" |
        "${compile[@]}" -fsyntax-only -x c - || {
        printf '%s: does not compile alone\n' "$header" >&2
        broken=1
    }
done < <(find bench config ktls pki proxy tests -name '*.h' | sort)
exit "$broken"
