#include "calve/config/yaml_document.h"

#include <arrow/util/utf8.h>
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <exception>
#include <sstream>
#include <unordered_set>
#include <utility>

namespace calve::config {
namespace {

constexpr size_t kDepthMax = 32;
constexpr size_t kNodesMax = 100'000;

Mark MarkOf(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

// Thrown out of the parser's callbacks, the only way to end it early; caught in ParseYaml.
struct Refusal {
  Mark mark;
  std::string message, remedy;
};

// Builds the tree from the parser's events. Containers are open from their start to their end; a pointer to one stays
// valid, because nothing is added to its parent as long as it is open.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Findings& findings) : findings_(findings) {}

  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    throw Refusal{MarkOf(mark), "what stands here does not belong to the mapping above, or begins a second document",
                  "Check the indentation here; a configuration is one document."};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Place(Value(Node::Kind::kNull, mark)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{MarkOf(mark), "aliases (*name) are not supported", "Write the value out, or put it into defaults."};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    RefuseTag(mark, tag);
    if (ExpectsKey()) return TakeKey(mark, value);
    Node node = Value(Node::Kind::kScalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    Place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Begin(Value(Node::Kind::kSequence, mark));
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Begin(Value(Node::Kind::kMapping, mark));
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Open {
    Node* node = nullptr;
    std::optional<Entry> entry;  // of a mapping: the key has come, its value has not
    std::unordered_set<std::string> keys;
  };

  bool ExpectsKey() const {
    return !open_.empty() && open_.back().node->kind == Node::Kind::kMapping && !open_.back().entry;
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;  // none, none, in quotes
    throw Refusal{MarkOf(mark), fmt::format("the tag {} is not supported", tag), "Put text in quotes instead."};
  }

  Node Value(Node::Kind kind, const YAML::Mark& mark) {
    if (ExpectsKey()) throw Refusal{MarkOf(mark), "a key of a mapping has to be plain text", ""};
    if (++nodes_ > kNodesMax) throw Refusal{MarkOf(mark), fmt::format("more than {} values", kNodesMax), ""};
    Node node;
    node.kind = kind;
    node.mark = MarkOf(mark);
    return node;
  }

  void TakeKey(const YAML::Mark& mark, const std::string& key) {
    Open& mapping = open_.back();
    mapping.entry = Entry{key, MarkOf(mark), {}};
    if (!mapping.keys.insert(key).second) {
      findings_.Add(MarkOf(mark), "", fmt::format("the key '{}' stands in this mapping twice", key),
                    "Take one of the two out.");
    }
  }

  // Where the value stands from now on.
  Node* Place(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    Open& parent = open_.back();
    if (parent.node->kind == Node::Kind::kSequence) {
      parent.node->items.push_back(std::move(node));
      return &parent.node->items.back();
    }
    Entry entry = std::move(*parent.entry);
    parent.entry.reset();
    entry.value = std::move(node);
    parent.node->entries.push_back(std::move(entry));
    return &parent.node->entries.back().value;
  }

  void Begin(Node node) {
    if (open_.size() >= kDepthMax) {
      throw Refusal{node.mark, fmt::format("lists and mappings are nested more than {} deep", kDepthMax), ""};
    }
    Open container;
    container.node = Place(std::move(node));
    open_.push_back(std::move(container));
  }

  Findings& findings_;
  Node root_;
  std::vector<Open> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

// yaml-cpp takes a byte 4 for the end of the file and a NUL for UTF-16; nobody writes either on purpose.
bool IsPlainText(const std::string& text, Findings& findings) {
  if (text.size() > kFileBytesMax) {
    findings.Add({}, "", fmt::format("the file is larger than {} bytes", kFileBytesMax),
                 "A configuration of a hundred tables has some 50,000; is it the right file?");
    return false;
  }
  Mark mark;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      findings.Add(mark, "", fmt::format("the control character 0x{:02x} is not allowed", byte),
                   "Save the file as UTF-8 text.");
      return false;
    }
    mark = c == '\n' ? Mark{mark.line + 1, 1} : Mark{mark.line, mark.column + 1};
  }
  arrow::util::InitializeUTF8();
  if (arrow::util::ValidateUTF8(text)) return true;
  findings.Add({}, "", "the file is not UTF-8", "Save it as UTF-8 text.");
  return false;
}

bool IsDigits(std::string_view text, std::string_view allowed = "0123456789") {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string_view TakeSign(std::string_view text) {
  return !text.empty() && (text[0] == '-' || text[0] == '+') ? text.substr(1) : text;
}

bool IsInteger(std::string_view text) {
  if (IsDigits(TakeSign(text))) return true;
  return (text.starts_with("0x") && IsDigits(text.substr(2), "0123456789abcdefABCDEF")) ||
         (text.starts_with("0o") && IsDigits(text.substr(2), "01234567"));
}

// YAML 1.2, 10.3.2: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, and the infinite ones.
bool IsFloat(std::string_view text) {
  constexpr std::array<std::string_view, 6> kWords = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
  text = TakeSign(text);
  if (std::ranges::find(kWords, text) != kWords.end()) return true;
  const size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos && !IsDigits(TakeSign(text.substr(exponent + 1)))) return false;
  text = text.substr(0, exponent);
  const size_t point = text.find('.');
  if (point == std::string_view::npos) return IsDigits(text);
  std::string_view whole = text.substr(0, point), fraction = text.substr(point + 1);
  return whole.empty() ? IsDigits(fraction) : IsDigits(whole) && (fraction.empty() || IsDigits(fraction));
}

bool IsBoolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> kWords = {"true", "True", "TRUE", "false", "False", "FALSE"};
  return std::ranges::find(kWords, text) != kWords.end();
}

}  // namespace

ScalarKind ScalarKindOf(const Node& scalar) {
  if (scalar.quoted) return ScalarKind::kText;
  if (IsInteger(scalar.text)) return ScalarKind::kInteger;
  if (IsFloat(scalar.text)) return ScalarKind::kFloat;
  return IsBoolean(scalar.text) ? ScalarKind::kBoolean : ScalarKind::kText;
}

std::string_view KindName(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMapping:
      return "a mapping";
    case Node::Kind::kScalar:
      break;
  }
  switch (ScalarKindOf(node)) {
    case ScalarKind::kText:
      return "text";
    case ScalarKind::kBoolean:
      return "true or false";
    default:
      return "a number";
  }
}

const Node* Find(const Node& mapping, std::string_view key) {
  for (const Entry& entry : mapping.entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::optional<Node> ParseYaml(const std::string& text, Findings& findings) {
  if (!IsPlainText(text, findings)) return std::nullopt;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(findings);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.TakeRoot();
  } catch (const Refusal& refusal) {
    findings.Add(refusal.mark, "", refusal.message, refusal.remedy);
  } catch (const YAML::Exception& error) {
    findings.Add(MarkOf(error.mark), "", "this is not YAML: " + error.msg,
                 "Check indentation, quotes and brackets here and just before.");
  } catch (const std::exception& error) {
    findings.Add({}, "", fmt::format("the file cannot be read as YAML: {}", error.what()));
  }
  return std::nullopt;
}

}  // namespace calve::config
