// Values as a configuration file would have them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/config/config.h"
#include "calve/config/key.h"

namespace calve::config {

// Null for what is not set.
Json Written(const Key& key, const std::string& value);
Json Written(const Key& key, int64_t value);
Json Written(const Key& key, bool value);
Json Written(const Key& key, const std::optional<int64_t>& value);
Json Written(const Key& key, const std::vector<std::string>& value);
Json Written(const Key& key, const std::map<std::string, std::string>& value);
Json Written(const Key& key, const std::optional<iceberg::Type>& value);
Json Written(const Key& key, const std::optional<Scalar>& value);
Json Written(const Key& key, const StartFrom& value);
Json Written(const Key& key, const catalog::TableIdent& value);

// The keys of `owner` that are set; null where none is.
Json WrittenMapping(const Mapping& mapping, const void* owner);

}  // namespace calve::config
