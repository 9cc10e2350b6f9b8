// Who calve is to Google: application default credentials.
#pragma once

#include <memory>
#include <string>

#include "calve/base/stop.h"
#include "calve/objectstore/access_token.h"
#include "calve/objectstore/environment.h"

namespace calve::objectstore {

// The file of GOOGLE_APPLICATION_CREDENTIALS, else gcloud's own (~/.config/gcloud): a service account's key, or a
// user's refresh token; else the metadata service of the machine. `stop` and `clock` must outlive it.
std::unique_ptr<TokenSource> GoogleTokens(const Environment& environment, const std::string& ca_file,
                                          const StopToken& stop, const Clock& clock);

// RFC 7523: what a service account's key is exchanged with. kConfig where the key is none.
Result<std::string> SignedAssertion(const std::string& email, const std::string& key_id, const std::string& key_pem,
                                    const std::string& audience, TimestampMicros now);

}  // namespace calve::objectstore
