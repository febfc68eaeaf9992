#!/bin/bash
# Enforces the layers of ARCHITECTURE.md by reading the #include lines: the
# leaves ktls/, pki/ and config/ know only themselves, proxy/ knows their public
# headers, and each library is the business of one place. tests/ may see all.
set -eu
cd "$(dirname "$0")/.."

readonly folders=(bench config ktls pki proxy)
readonly public=' config/conf.h pki/pki.h ktls/ktls.h '
broken=0

report()
{
    printf '%s: %s\n' "$1" "$2" >&2
    broken=1
}

# Prints FILE:LINE HEADER for each include with the given opening character; a
# header named without a folder is in the folder of the file itself.
includes()
{
    local open=$1
    grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*$open" "${folders[@]}" |
        sed -E 's/^([^:]*:[0-9]+):[^<"]*[<"]([^>"]*)[>"].*/\1 \2/' |
        awk '{ folder = $1; sub("[^/]*$", "", folder)
               print $1, ($2 ~ "/" || open == "<" ? "" : folder) $2 }' open="$open"
}

check_own_headers()
{
    local place header from to
    while read -r place header; do
        from=${place%%/*} to=${header%%/*}
        [[ $from != "$to" ]] || continue
        case $from in
        bench)
            # The benchmark measures the record engine itself; nothing else in there is its business.
            [[ $place == bench/records.c:* && $header == ktls/record.h || $public == *" $header "* ]] ||
                report "$place" "$header is private to $to/"
            ;;
        config | ktls | pki)
            report "$place" "$from/ is a leaf and may not include $header"
            ;;
        *)
            [[ $public == *" $header "* ]] ||
                report "$place" "$header is private to $to/; only${public% } may be included from outside"
            ;;
        esac
    done < <(includes '"')
}

check_libraries()
{
    local place header
    while read -r place header; do
        case $header:$place in
        liburing.h:proxy/ring.c:* | libconfig.h:config/*.c:* | linux/tls.h:ktls/kernel.c:*) ;;
        liburing.h:* | liburing/*:* | linux/io_uring.h:*)
            report "$place" "only proxy/ring.c may include <$header>"
            ;;
        libconfig.h:*) report "$place" "only config/*.c may include <$header>" ;;
        curl/*:pki/*) ;;
        curl/*) report "$place" "only pki/ may include <$header>" ;;
        intel-ipsec-mb.h:ktls/aead_ipsec_mb.c:*) ;;
        intel-ipsec-mb.h:*) report "$place" "only ktls/aead_ipsec_mb.c may include <$header>" ;;
        linux/tls.h:*) report "$place" "only ktls/kernel.c may include <$header>" ;;
        openssl/ssl.h:proxy/*) report "$place" "proxy/ may not include <$header>: ask ktls/" ;;
        esac
    done < <(includes '<')
}

# The same for constants that a system header could bring in unseen. Comments
# and strings may speak of them.
check_kernel_calls()
{
    local file place
    while read -r file; do
        while read -r place; do
            report "$file:$place" "only ktls/kernel.c may use SOL_TLS or TCP_ULP"
        done < <(sed -E 's/"[^"]*"//g; s@/\*.*\*/@@g; s@/[/*].*@@; s@^[[:space:]]*\*.*@@' "$file" |
            grep -nwE 'SOL_TLS|TCP_ULP' | cut -d: -f1)
    done < <(grep -rlwE --include='*.[ch]' 'SOL_TLS|TCP_ULP' "${folders[@]}" | grep -vx ktls/kernel.c)
}

check_own_headers
check_libraries
check_kernel_calls
exit "$broken"
