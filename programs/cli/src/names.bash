
# The names that are open here and the services, in the place of arguments that are no options.
_linkspan_and_names() {
    case "${COMP_WORDS[1]}" in
        record | replay | recording)
            # Those of another program, which has its own.
            declare -F _linkspan_record >/dev/null || eval "$(command linkspan-record completions bash 2>/dev/null)"
            if [[ "${COMP_CWORD}" -gt 1 ]] && declare -F _linkspan_record >/dev/null; then
                COMP_WORDS[0]=linkspan-record
                _linkspan_record linkspan-record "$2" "$3"
            fi ;;
        schema)
            case "${COMP_WORDS[2]}" in
                export | import | infer)
                    declare -F _linkspan_schema >/dev/null || eval "$(command linkspan-schema completions bash 2>/dev/null)" ;;
            esac
            if [[ "${COMP_CWORD}" -gt 2 && "${COMP_WORDS[2]}" == @(export|import|infer) ]] && declare -F _linkspan_schema >/dev/null; then
                COMP_WORDS=(linkspan-schema "${COMP_WORDS[@]:2}")
                COMP_CWORD=$((COMP_CWORD - 1))
                _linkspan_schema linkspan-schema "$2" "$3"
            else
                _linkspan "$@"
            fi ;;
        *)
            _linkspan "$@" ;;
    esac
    # Names of options, and their value follows: no name of an endpoint stands here.
    if [[ "${COMPREPLY[0]}" == *= ]]; then
        compopt -o nospace 2>/dev/null
        return 0
    fi
    # A colon parts words here, and stands in names.
    local word="${COMP_LINE:0:COMP_POINT}" names=""
    word="${word##*[[:space:]]}"
    [[ "${word}" == -* ]] && return 0
    case "${COMP_WORDS[1]}" in
        send | recv | call | reply | pub | sub | latest | ls | record)
            names="$(command linkspan ls --names 2>/dev/null)" ;;
        service)
            [[ "${COMP_CWORD}" -gt 2 ]] && names="$(command linkspan service ls --timeout 1 2>/dev/null | sed -n '2,$s|^\([A-Za-z0-9._/-]*\) .*|\1|p')" ;;
    esac
    [[ -n "${names}" ]] || return 0
    local before="${word%"${word##*:}"}" name
    while IFS= read -r name; do
        [[ "${name}" == "${word}"* ]] && COMPREPLY+=("${name#"${before}"}")
    done <<<"${names}"
    return 0
}
complete -F _linkspan_and_names -o nosort -o bashdefault -o default linkspan
