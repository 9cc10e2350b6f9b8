"""Whether a request is signed as botocore, AWS's own client, would have signed it."""

import hashlib
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>[^,]+), SignedHeaders=(?P<signed>[^,]+), Signature=(?P<signature>\w+)")


def problem(method, url, headers, body, access_key, secret_key, region, service):
    """What is wrong with it; None where nothing is. `headers` as they came, with Host."""
    given = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if not given:
        return "not signed"
    names = given["signed"].split(";")
    lower = {name.lower(): value for name, value in headers.items()}
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        return f"signed are only {names}"
    if lower["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return "the body is another"

    class Signer(SigV4Auth):
        def headers_to_sign(self, request):
            chosen = HTTPHeaders()
            for name in names:
                chosen[name] = lower[name]
            return chosen

    request = AWSRequest(method=method, url=url, data=body, headers={"X-Amz-Content-SHA256": lower["x-amz-content-sha256"]})
    request.context["timestamp"] = lower["x-amz-date"]
    signer = Signer(Credentials(access_key, secret_key), service, region)
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if (given["id"], given["scope"]) != (access_key, signer.credential_scope(request)):
        return "the key or its scope is another"
    return None if wanted == given["signature"] else f"{method} {url} gives another signature"
