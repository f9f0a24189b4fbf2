#!/bin/sh
# A mobile app goes its way through WSO2's publisher and store, with curl. Stops at the first answer that is not the
# expected one.
#
#   cargo run --release --example server -- --listen 127.0.0.1:8080 --admin-key robot.0123456789abcdef0123456789abcdef
#   docs/journeys/wso2.sh http://127.0.0.1:8080 robot.0123456789abcdef0123456789abcdef fixtures/field-notes.apk
set -eu
base=$1 key=$2 package=$3
. "$(dirname "$0")/steps.sh"
case $package in
*.apk) platform=android ;;
*.ipa) platform=ios ;;
*) echo "neither .apk nor .ipa: $package" >&2 && exit 2 ;;
esac
publisher=/api/appm/publisher/v1.1 store=/api/appm/store/v1.1
step() { ask 202 "$key" POST "$publisher/apps/mobileapp/change-lifecycle?appId=$app&action=$1"; }

echo "# Another person, who may use stores."
person=bob-$platform@example.com
json 200 "$key" POST /box/srv/1.1/admin/authpolicy/create "{\"policyId\":\"$person\",\"policyType\":\"feedhenry\"}"
json 200 "$key" POST /box/srv/1.1/admin/appstore/addpolicy "{\"guid\":\"$(field guid)\"}"
json 200 "$key" POST /box/srv/1.1/admin/user/create "{\"username\":\"$person\",\"password\":\"correct horse\"}"
json 200 "$key" POST /box/srv/1.1/admin/authpolicy/auth \
    "{\"policyId\":\"$person\",\"device\":\"phone\",\"params\":{\"userId\":\"$person\",\"password\":\"correct horse\"}}"
bob=$(field sessionToken)

echo "# A picture and the package become an app."
ask 200 "$key" POST "$publisher/apps/static-contents?appType=mobileapp" -F "file=@$0;filename=icon.png;type=image/png"
picture=$(field id)
ask 200 "$key" POST "$publisher/apps/mobile/binaries" -F "file=@$package;type=application/octet-stream"
appmeta=$body
json 201 "$key" POST "$publisher/apps/mobileapp" "{\"name\":\"Notes for $platform\",\"version\":\"1.0.0\",
    \"displayName\":\"Field Notes\",\"description\":\"notes\",\"category\":\"Business\",\"platform\":\"$platform\",
    \"marketType\":\"enterprise\",\"banner\":\"$picture\",\"thumbnailUrl\":\"$picture\",\"screenshots\":[\"$picture\"],
    \"appmeta\":$appmeta}"
app=$(field id)

echo "# Review. Nobody sees it in the store before it is published."
ask 400 "$key" POST "$publisher/apps/mobileapp/change-lifecycle?appId=$app&action=Publish"
step Submit%20for%20Review
step Approve
ask 404 "$bob" POST "$store/apps/mobileapp/id/$app/subscription"
step Publish

echo "# Bob subscribes and installs: the link is good once, and needs no credential."
ask 200 "$bob" POST "$store/apps/mobileapp/id/$app/subscription"
ask 200 "$key" GET "$publisher/apps/mobileapp/id/$app/subscriptions"
says "$person"
ask 200 "$bob" POST "$store/apps/mobile/id/$app/download"
link=$(field appUrl)
if [ $platform = ios ]; then
    curl -sSf "$link" | tee "$fetched"
    link=$(sed -n 's/.*<string>\(http[^<]*one-time[^<]*\)<.*/\1/p' "$fetched")
    ask 200 "$key" GET "$publisher/apps/mobile/getplist/tenant/acme/file/$(printf '%s' "$appmeta" |
        sed -n 's/.*"path":"\([^"]*\)".*/\1/p')" -H 'Accept: application/xml'
fi
curl -sSf -o "$fetched" "$link"
cmp "$fetched" "$package"
ask 403 "" GET "${link#"$base"}"

echo "# Withdrawn. Applivery's list has it still."
step Deprecate
step Retire
ask 404 "$bob" GET "$store/apps/mobileapp/id/$app"
ask 200 "$key" GET "$publisher/apps/mobileapp/id/$app/lifecycle-history"
ask 200 "$key" GET /v1/organizations/acme/apps
says "Notes for $platform"
