#!/bin/sh
# A build's way through Applivery's API with curl, as build servers go it: uploaded with an app token, processed,
# published, fetched. Stops at the first answer that is not the expected one.
#
#   cargo run --release --example server -- --listen 127.0.0.1:8080 --admin-key robot.0123456789abcdef0123456789abcdef
#   docs/journeys/applivery.sh http://127.0.0.1:8080 robot.0123456789abcdef0123456789abcdef fixtures/field-notes.apk
set -eu
base=$1 key=$2 package=$3
. "$(dirname "$0")/steps.sh"
of_acme=/v1/organizations/acme
# A name of its own, so that the journey can be repeated.
slug=notes-$$-$(basename "$package" | tr -dc 'a-z0-9')

echo "# An app, and a token for whoever builds it."
json 200 "$key" POST $of_acme/apps "{\"name\":\"Notes\",\"slug\":\"$slug\"}"
app=$(field id)
json 200 "$key" POST "$of_acme/apps/$slug/tokens" '{"description":"build server"}'
token=$(field bearer)
ask 401 "$token.not" GET /v1/integrations/builds
says '"code":4004'

echo "# Uploaded as the GitHub action does it, and looked at until it is processed."
ask 200 "$token" POST /v1/integrations/builds -F "build=@$package" -F versionName=feature/x -F tags=ci,nightly \
    -F changelog=faster -F notifyMessage=new -F deployer.name=GitHub -F deployer.info.branch=feature/x \
    -F deployer.info.triggerTimestamp=2026-01-02T03:04:05.000Z -F deployer.info.buildNumber=7
says '"status":"pending"'
build=$(field id)
for _ in 1 2 3 4 5 6 7 8 9 10; do
    ask 200 "$token" GET "/v1/integrations/builds/$build"
    case $body in *'"status":"processed"'*) break ;; esac
    sleep 1
done
says '"status":"processed"'

echo "# As the Bitrise step does it: a text for each option, most of them empty."
ask 200 "$token" POST /v1/integrations/builds -F versionName= -F changelog= -F notifyCollaborators=false \
    -F notifyEmployees=false -F tags= -F filter= -F "build=@$package" -F deployer.name=bitrise \
    -F deployer.info.commitMessage= -F deployer.info.branch= -F deployer.info.triggerTimestamp=

echo "# Published: the build with both tags, for everyone who has the address."
ask 200 "$token" GET "/v1/integrations/distributions?slug=$slug-ci&page=1"
says '"totalDocs":0'
json 200 "$token" POST /v1/integrations/distributions "{\"slug\":\"$slug-ci\",\"visibility\":\"unlisted\",
    \"security\":\"public\",\"password\":\"\",\"filter\":{\"type\":\"tag\",\"value\":\"ci,nightly\"},
    \"showDevInfo\":true,\"showHistory\":true}"
page=$(field distributionUrl)
body=$(curl -sSf "$page")
says feature/x

echo "# Fetched with a token that is good once."
ask 200 "$key" GET "$of_acme/apps/$slug/builds/$build/downloadToken?type=file"
once=$(field token)
curl -sSfL -o "$fetched" "$base/v1/download/$once"
cmp "$fetched" "$package"
ask 401 "" GET "/v1/download/$once" -L

echo "# The same package as an asset. Emporix's API shows it too."
ask 200 "$key" POST $of_acme/mdm/assets -F "name=$slug" -F exposeToChildren=false -F "file=@$package"
asset=$(field id)
ask 200 "$key" GET "$of_acme/mdm/assets?name=$slug"
says "$asset"
json 200 "$key" PUT "$of_acme/mdm/assets//$asset" '{"description":"for the field"}'
ask 200 "$key" GET "/media/acme/assets/$asset"
ask 200 "$key" DELETE "$of_acme/mdm/assets/$asset"
ask 404 "$key" GET "$of_acme/mdm/assets/$asset"
says '"code":3001'
