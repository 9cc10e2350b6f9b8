// A proposal as the text of a configuration file, with the reasons as comments. Pure.
#pragma once

#include <string>

#include "calve/config/config.h"
#include "calve/survey/proposal.h"

namespace calve::survey {

// Where rows come from and go: what the command was told. Of `config`, source, catalog and state count.
std::string ConfigText(const Proposal& proposal, const DatabaseFacts& facts, const config::Config& config);

// A comment of as many lines as it takes, each behind `indent` and "# ". What could end a comment early, or is no text,
// becomes a blank or a question mark.
std::string Comment(const std::string& text, size_t indent);

}  // namespace calve::survey
