// Fills values from a document by the descriptions of their keys, and remembers where each stood.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/config/config.h"
#include "calve/config/expansion.h"
#include "calve/config/findings.h"
#include "calve/config/key.h"
#include "calve/config/yaml_document.h"

namespace calve::config {

// OK where the URL, which holds no password any more, is one that calve can open.
using UrlCheck = Status (*)(const std::string& url);

// What is wrong goes into the findings, and the value stays as it was. Messages show text as the file has it, never
// what came from the environment.
class Reader {
 public:
  // `folder` is what relative files are relative to; empty: the working directory.
  Reader(const Environment& environment, std::string folder, Findings& findings)
      : environment_(environment), folder_(std::move(folder)), findings_(findings) {}

  // Targets are read with it: set before the tables are.
  void set_catalog_name(std::string name) { catalog_name_ = std::move(name); }

  // `owner` is the struct that the mapping's keys are bound to.
  void ReadMapping(const Mapping& mapping, const Node& node, const std::string& path, void* owner);
  using EntryReader = std::function<void(const std::string& name, const Node& value, const std::string& path)>;
  void ReadEntries(const Node& node, const std::string& path, const EntryReader& read);

  void Read(const Key& key, const Node& node, const std::string& path, std::string& out);
  void Read(const Key& key, const Node& node, const std::string& path, int64_t& out);
  void Read(const Key& key, const Node& node, const std::string& path, bool& out);
  void Read(const Key& key, const Node& node, const std::string& path, std::optional<int64_t>& out);
  void Read(const Key& key, const Node& node, const std::string& path, std::vector<std::string>& out);
  void Read(const Key& key, const Node& node, const std::string& path, std::map<std::string, std::string>& out);
  void Read(const Key& key, const Node& node, const std::string& path, std::optional<iceberg::Type>& out);
  void Read(const Key& key, const Node& node, const std::string& path, std::optional<Scalar>& out);
  void Read(const Key& key, const Node& node, const std::string& path, StartFrom& out);
  void Read(const Key& key, const Node& node, const std::string& path, catalog::TableIdent& out);
  void ReadUrl(const Node& node, const std::string& path, UrlCheck check, std::string& url, std::string& password);

  // Whether something, be it right or wrong, stood at this path.
  bool Has(const std::string& path) const { return marks_.contains(path); }
  // Where it stood; of what is missing, where the nearest thing around it begins. What a table has from `defaults`
  // stands there.
  Mark MarkOf(const std::string& path) const;
  // What table `path` ("tables[3]") shall have from `defaults` came from the environment there.
  void InheritWritten(const std::string& path);
  std::map<std::string, std::string> TakeWritten() { return std::move(written_); }

 private:
  void Wrong(const Node& node, const std::string& path, std::string message, std::string remedy = "");
  void WrongKind(const Node& node, const std::string& path, std::string_view expected, std::string remedy = "");
  void UnknownKey(const Mapping& mapping, const Entry& entry, const std::string& path);
  void CheckPresence(const Mapping& mapping, const Node& node, const std::string& path);
  // The value with its variables; nothing, with a finding, where that fails.
  std::optional<Expanded> Take(const Node& node, const std::string& path);
  // The same for what has to be text; `expected` names it.
  std::optional<Expanded> TakeText(const Node& node, const std::string& path, std::string_view expected);
  // A finding with the parser's own words, unless they would show what came from the environment.
  void NotParsed(const Node& node, const std::string& path, const Expanded& value, std::string_view expected,
                 const Status& status);
  std::optional<int64_t> TakeNumber(const Key& key, const Node& node, const std::string& path);

  const Environment& environment_;
  const std::string folder_;
  std::string catalog_name_;
  Findings& findings_;
  std::map<std::string, Mark> marks_;           // by path
  std::map<std::string, std::string> written_;  // by path: Config::as_written
};

// "tables[1]" and "a" to "tables[1].a"; a name that is not plain stands in brackets.
std::string PathOf(const std::string& parent, std::string_view name);

}  // namespace calve::config
