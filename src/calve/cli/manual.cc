#include "calve/cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "calve/cli/option_shape.h"

namespace calve::cli {
namespace {

std::string Upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string PageName(const CLI::App& command, const CLI::App& program) {
  return &command == &program ? command.get_name() : program.get_name() + "-" + command.get_name();
}

std::string Heading(const std::string& page, const BuildInfo& build) {
  return fmt::format(
      ".\\\" Made by calve itself from its commands and options.\n.TH {} 1 \"{}\" \"calve {}\" \"calve\"\n",
      RoffText(Upper(page)), build.commit_date, RoffText(build.version));
}

// "\fB\-\-name\fR \fIVALUE\fR", all spellings.
std::string OptionTag(const CLI::Option& option) {
  const std::string value = ValueName(option);
  const std::string shown = value.empty() ? "" : fmt::format(" \\fI{}\\fR", RoffText(value));
  std::string tag;
  if (option.get_positional()) tag = fmt::format("\\fI{}\\fR", RoffText(Upper(option.get_name(true))));
  for (const std::string& spelling : SpellingsOf(option)) {
    tag += fmt::format("{}\\fB{}\\fR{}", tag.empty() ? "" : ", ", RoffText(spelling), shown);
  }
  return tag;
}

std::string OptionEntry(const CLI::Option& option) {
  std::string text = fmt::format(".TP\n{}\n{}", OptionTag(option), RoffText(option.get_description()));
  std::string facts;
  auto fact = [&](const std::string& words) { facts += (facts.empty() ? "" : "; ") + words; };
  if (option.get_required()) fact("required");
  if (!option.get_default_str().empty()) fact(fmt::format("default \\fB{}\\fR", RoffText(option.get_default_str())));
  if (!option.get_envname().empty()) fact(fmt::format("variable \\fB{}\\fR", RoffText(option.get_envname())));
  if (!facts.empty()) text += fmt::format(" ({})", facts);
  return text + "\n";
}

std::string OptionSections(const CLI::App& app) {
  std::vector<std::string> groups;
  for (const CLI::Option* option : VisibleOptions(app)) {
    if (std::ranges::count(groups, option->get_group()) == 0) groups.push_back(option->get_group());
  }
  // What every command has stands last.
  std::ranges::stable_partition(groups, [](const std::string& group) { return group != "Options"; });
  std::string text = ".SH OPTIONS\n";
  for (const std::string& group : groups) {
    if (groups.size() > 1) text += fmt::format(".SS {}\n", RoffText(group == "Options" ? "General" : group));
    for (const CLI::Option* option : VisibleOptions(app)) {
      if (option->get_group() == group) text += OptionEntry(*option);
    }
  }
  return text;
}

// Help texts end with examples, remarks and exit codes. Indented lines stay as they are.
struct FooterText {
  std::string remarks, examples, exit_codes;
};

FooterText ReadFooter(const std::string& footer) {
  FooterText read;
  std::string* section = &read.remarks;
  bool literal = false, begun = false;
  auto end_literal = [&] {
    if (literal) *section += ".fi\n.RE\n";
    literal = false;
  };
  std::istringstream lines(footer);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      end_literal();
      if (section == &read.examples) section = &read.remarks;
      begun = false;
      continue;
    }
    if (line == "Examples:") {
      end_literal();
      section = &read.examples;
      continue;
    }
    if (line.starts_with("Exit codes: ")) {
      end_literal();
      section = &read.exit_codes;
      line = line.substr(std::string("Exit codes: ").size());
      begun = true;  // a section begins with a paragraph by itself
    }
    if (line.starts_with("  ")) {
      if (!literal) *section += ".RS 2\n.nf\n";
      literal = true;
      *section += RoffText(line.substr(2)) + "\n";
      continue;
    }
    end_literal();
    if (!begun) *section += ".PP\n";
    begun = true;
    *section += RoffText(line) + "\n";
  }
  end_literal();
  return read;
}

std::string Section(const char* name, const std::string& text) {
  return text.empty() ? "" : fmt::format(".SH {}\n{}", name, text);
}

ManualPage CommandPage(const CLI::App& command, const CLI::App& program, const BuildInfo& build) {
  const std::string page = PageName(command, program);
  const FooterText footer = ReadFooter(command.get_footer());
  std::string synopsis = fmt::format("\\fBcalve {}\\fR", RoffText(command.get_name()));
  for (const CLI::Option* option : VisibleOptions(command)) {
    if (option->get_required()) synopsis += " " + OptionTag(*option);
  }
  std::string text = Heading(page, build);
  text += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{} [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\n", RoffText(page),
                      RoffText(command.get_description()), synopsis, RoffText(command.get_description()) + ".");
  text += footer.remarks;
  text += OptionSections(command);
  text += Section("\"EXIT STATUS\"", footer.exit_codes);
  text += Section("EXAMPLES", footer.examples);
  return {page + ".1", text + ".SH \"SEE ALSO\"\n.BR calve (1)\n"};
}

constexpr const char* kProgramSections = R"(.SH ENVIRONMENT
Most options can be given as variables: \fBCALVE_WAREHOUSE\fR for \fB\-\-warehouse\fR. Secrets are never options. They are read
from these variables, or from files that options and the configuration name:
.TP
\fBCALVE_SOURCE_PASSWORD\fR
of the ClickHouse user
.TP
\fBCALVE_CATALOG_PASSWORD\fR, \fBCALVE_STATE_PASSWORD\fR
of PostgreSQL's users, for the catalog and the journal
.TP
\fBCALVE_CATALOG_CREDENTIAL\fR, \fBCALVE_CATALOG_TOKEN\fR
for a REST catalog
.TP
\fBCALVE_CHDB_LIBRARY\fR
the file libchdb.so of the embedded ClickHouse, for sources chdb:DIR
.TP
\fBNO_COLOR\fR
no colours
.SH FILES
.TP
\fI/etc/calve/calve.yaml\fR
the configuration of the service
.TP
\fI/etc/default/calve\fR
variables of the service
.TP
\fI/var/lib/calve\fR
what the service keeps
.TP
\fI/usr/share/doc/calve\fR
the documentation, with examples
)";

ManualPage ProgramPage(const CLI::App& program, const BuildInfo& build) {
  const FooterText footer = ReadFooter(program.get_footer());
  std::string text = Heading(program.get_name(), build);
  text += fmt::format(
      ".SH NAME\ncalve \\- moves closed time windows of ClickHouse tables into Iceberg tables\n"
      ".SH SYNOPSIS\n\\fBcalve\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\n{}.SH COMMANDS\n",
      RoffText(program.get_description()), footer.remarks);
  std::string see;
  for (const CLI::App* command : VisibleCommands(program)) {
    const std::string page = RoffText(PageName(*command, program));
    text +=
        fmt::format(".TP\n\\fBcalve {}\\fR\n{}\n", RoffText(command->get_name()), RoffText(command->get_description()));
    see += fmt::format("{}.BR {} (1)", see.empty() ? "" : ",\n", page);
  }
  text += OptionSections(program);
  text += Section("\"EXIT STATUS\"", footer.exit_codes);
  text += kProgramSections;
  return {program.get_name() + ".1", text + ".SH \"SEE ALSO\"\n" + see + "\n"};
}

}  // namespace

std::string RoffText(const std::string& text) {
  std::string out;
  bool begins = true;  // of a line, where a dot or an apostrophe would be a command
  for (const char c : text) {
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '`') {
      out += "\\(ga";
    } else if (c == '^') {
      out += "\\(ha";
    } else if (c == '~') {
      out += "\\(ti";
    } else {
      out += c;
    }
    begins = c == '\n';
  }
  return out;
}

std::vector<ManualPage> ManualPages(const CLI::App& app, const BuildInfo& build) {
  std::vector<ManualPage> pages = {ProgramPage(app, build)};
  for (const CLI::App* command : VisibleCommands(app)) pages.push_back(CommandPage(*command, app, build));
  return pages;
}

}  // namespace calve::cli
