# What the journeys share. Sourced with $base set.
set -eu
fetched=$(mktemp)
trap 'rm -f "$fetched"' EXIT

# ask STATUS TOKEN METHOD PATH [CURL ARGUMENT...]: leaves the answer in $body.
ask() {
    expected=$1 credential=$2 method=$3 path=$4
    shift 4
    body=$(curl -sS -X "$method" -H "Authorization: Bearer $credential" "$@" -w '\n%{http_code}' "$base$path")
    status=$(printf '%s' "$body" | tail -n 1)
    body=$(printf '%s' "$body" | sed '$d')
    shown=$(printf '%s' "$body" | sed 's/"\(sessionToken\|bearer\|access_token\)":"[^"]*"/"\1":"..."/g')
    printf '%s %s %s\n    %.160s\n' "$status" "$method" "$path" "$shown"
    [ "$status" = "$expected" ] || { echo "expected $expected" >&2 && exit 1; }
}
# json STATUS TOKEN METHOD PATH BODY
json() { ask "$1" "$2" "$3" "$4" -H 'Content-Type: application/json' -d "$5"; }
# The first text property of this name in the last answer.
field() { printf '%s' "$body" | grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
says() { printf '%s' "$body" | grep -qF "$1" || { echo "no $1" >&2 && exit 1; }; }
