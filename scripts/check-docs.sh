#!/bin/bash
# Checks that the documents say what the program does: the manual pages are
# clean, ferrule(1) and the pages of commands know every command and option of `ferrule --help`,
# ARCHITECTURE.md shows the state table there is, and links between files lead
# somewhere. $FERRULE is the program asked, by default the one make check built.
set -eu
cd "$(dirname "$0")/.."

readonly ferrule=${FERRULE:-build/check-gcc/ferrule}
broken=0

report()
{
    printf '%s: %s\n' "$1" "$2" >&2
    broken=1
}

check_manual_pages()
{
    mandoc -Tlint -W warning man/* >&2 || broken=1
}

# The page as plain text: overstruck characters (bold, underlined) made single.
manual_text()
{
    mandoc -Tascii -W unsupp "$1" | sed 's/.\x08//g'
}

# Every command of `ferrule --help` has its entry, and every option that a
# command's own help shows is named there or on the command's own page.
check_commands()
{
    local page=man/ferrule.1 text command option commands
    commands=$("$ferrule" --help | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p')
    [[ -n $commands ]] || report "$ferrule" "--help names no commands"
    for command in $commands; do
        grep -q "^\.It Ic $command\b" "$page" || report "$page" "has no entry for \"ferrule $command\""
        text=$(manual_text "$page")
        [[ ! -e man/ferrule-$command.1 ]] || text+=$(manual_text "man/ferrule-$command.1")
        while read -r option; do
            grep -qwF -e "$option" <<<"$text" ||
                report "$page" "does not name $option of \"ferrule $command\""
        done < <("$ferrule" "$command" --help | grep -oE '(^|[[ ])--?[a-z][a-z-]*' | tr -d '[ ' | sort -u)
    done
}

# The text between ```mermaid and the next fence.
check_state_graph()
{
    local page=ARCHITECTURE.md shown drawn
    drawn=$(scripts/state-graph)
    # shellcheck disable=SC2016 # Markdown's fences
    shown=$(sed -n '/^```mermaid$/,/^```$/{/^```/!p}' "$page")
    [[ $shown == "$drawn" ]] || {
        diff <(printf '%s\n' "$shown") <(printf '%s\n' "$drawn") >&2 || :
        report "$page" "shows another state graph than scripts/state-graph draws (>)"
    }
}

check_links()
{
    local page line target
    while read -r page; do
        while IFS=: read -r line target; do
            target=${target#*'('} target=${target%%#*}
            case $target in
            '' | http://* | https://* | mailto:*) ;;
            *)
                [[ -e $(dirname "$page")/$target ]] ||
                    report "$page:$line" "links to $target, which is not there"
                ;;
            esac
        done < <(grep -noE '\]\([^) ]+' "$page" || :)
    done < <(find . -name build -prune -o -name '*.md' -print | sort)
}

[[ -x $ferrule ]] || {
    report "$ferrule" "is not there; build it (make), or name another with FERRULE=PROGRAM"
    exit 1
}
check_manual_pages
check_commands
check_state_graph
check_links
exit "$broken"
