// Whether URLs are of a kind that calve can open: the openers' own checks, before anything is opened.
#pragma once

#include <string>

#include "calve/base/error.h"

namespace calve::config {

Status CheckSourceUrl(const std::string& url);
Status CheckCatalogType(const std::string& type);
Status CheckCatalogUri(const std::string& uri);
Status CheckStateUrl(const std::string& url);

}  // namespace calve::config
