// The JSON Schema of a configuration file, for editors and checks elsewhere.
#pragma once

#include <string>

namespace calve::config {

// Draft 2020-12; the text of docs/calve.schema.json. It says all that the keys' descriptions say; what keys have to do
// with each other across tables (rules.h) only the loader knows.
std::string JsonSchemaText();

}  // namespace calve::config
