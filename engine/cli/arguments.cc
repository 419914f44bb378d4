// The only file that includes CLI11 (it takes seconds to compile); what the library throws ends here.
#include "engine/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>

namespace khipu::cli {
namespace {

class AppArguments final : public Arguments {
 public:
  explicit AppArguments(CLI::App& app) : app_(app) {}

  void required(std::string name, std::string& into, std::string help) override {
    filled(positional(app_.add_option(name, into, help)))->required();
  }
  void optional(std::string name, std::string& into, std::string help) override {
    filled(positional(app_.add_option(name, into, help)));
  }
  void rest(std::string name, std::vector<std::string>& into, std::string help, size_t at_least) override {
    CLI::Option* option = filled(positional(app_.add_option(name, into, help), "..."));
    if (at_least > 0) option->required()->expected(static_cast<int>(at_least), 1 << 20);
  }
  void flag(std::string flags, bool& into, std::string help) override { app_.add_flag(flags, into, help); }
  void text(std::string flags, std::string& into, std::string value, std::string help) override {
    filled(app_.add_option(flags, into, help))->type_name(value);
  }
  void texts(std::string flags, std::vector<std::string>& into, std::string value, std::string help) override {
    // One value for each time the flag is given: "--actor a b" must not swallow a positional.
    filled(app_.add_option(flags, into, help))->type_name(value)->allow_extra_args(false);
  }
  void number(std::string flags, uint64_t& into, uint64_t least, uint64_t most, std::string help) override {
    const std::string bounds = std::to_string(least) + " to " + std::to_string(most);
    app_.add_option_function<std::string>(
            flags,
            [&into, least, most, bounds, flags](const std::string& word) {
              uint64_t value = 0;
              const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
              if (error != std::errc{} || end != word.data() + word.size() || value < least || value > most) {
                throw CLI::ValidationError(flags, "\"" + word + "\" is not a whole number from " + bounds);
              }
              into = value;
            },
            help)
        ->type_name("N");
  }
  void choice(std::string flags, std::string& into, std::vector<std::string> words, std::string help) override {
    std::string list;
    for (const std::string& word : words) list += (list.empty() ? "" : "|") + word;
    app_.add_option_function<std::string>(
            flags,
            [&into, words, list, flags](const std::string& word) {
              if (std::find(words.begin(), words.end(), word) == words.end()) {
                throw CLI::ValidationError(flags, "\"" + word + "\" is not one of " + list);
              }
              into = word;
            },
            help)
        ->type_name(list);
  }

 private:
  // An empty value is refused: the member it would fill stands for "not given" when it is empty, and `--key "$KEY"`
  // with KEY unset must not pass for no --key.
  static CLI::Option* filled(CLI::Option* option) {
    return option->check(CLI::Validator(
        [](std::string& word) { return std::string(word.empty() ? "an empty value; leave it out or give one" : ""); },
        ""));
  }
  // What stands behind the name in the help: nothing of the library's own ("REQUIRED", a type).
  static CLI::Option* positional(CLI::Option* option, const char* behind_name = " ") {
    return option->type_name("")->option_text(behind_name);
  }
  CLI::App& app_;
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// " (did you mean --limit?)", when something known is near.
std::string suggestion(const CLI::App& app, std::string word) {
  word = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* child : app.get_subcommands({})) known.push_back(child->get_name());
  size_t best = std::max<size_t>(2, word.size() / 3) + 1;
  std::string nearest;
  for (const std::string& name : known) {
    const size_t distance = edit_distance(word, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest.empty() ? "" : " (did you mean " + nearest + "?)";
}

// The innermost command the words named.
CLI::App& deepest(CLI::App& app) {
  CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

// The line of a group in `khipu --help`: what it is about, and its commands by name.
std::string group_summary(const std::string& group, const std::string& commands) {
  constexpr std::pair<std::string_view, std::string_view> kAbout[] = {
      {"keys", "The writer's keys, and those of protected fields"},
      {"token", "Tokens of producers and readers over HTTP"},
      {"types", "Entity types and their fields"},
      {"columns", "Custom columns"}};
  for (const auto& [name, about] : kAbout) {
    if (name == group) return std::string(about) + ": " + commands;
  }
  return commands;
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? "khipu" : path_of(*app.get_parent()) + " " + app.get_name();
}

}  // namespace

Parsed parse(std::vector<std::string> words, const std::vector<std::unique_ptr<Command>>& commands) {
  Parsed parsed;
  CLI::App app("khipu: a tamper-evident audit log. One writer, any number of readers, one directory.", "khipu");
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "print this page and stop");
  bool version = false;
  app.add_flag("--version", version, "print the version and stop (`khipu version`)");
  if (!words.empty() && words.front() == "--version") words.front() = "version";
  app.get_formatter()->column_width(34);
  app.footer(
      "`khipu COMMAND --help` tells all about one command.\n"
      "Exit codes: 0 ok, 1 something is wrong with the log or the input, 2 incomplete, 3 usage or I/O.");
  struct Group {
    CLI::App* app = nullptr;
    std::string commands;
  };
  std::map<std::string, Group> groups;
  std::vector<AppArguments> declared;
  declared.reserve(commands.size());
  for (const auto& command : commands) {
    const std::string name = command->name();
    const size_t space = name.find(' ');
    CLI::App* parent = &app;
    if (space != std::string::npos) {
      const std::string group = name.substr(0, space);
      Group& made = groups[group];
      if (made.app == nullptr) {
        made.app = app.add_subcommand(group, "");
        made.app->require_subcommand(1);
      }
      parent = made.app;
      made.commands += (made.commands.empty() ? "" : ", ") + name.substr(space + 1);
      parent->description(group_summary(group, made.commands));
    }
    CLI::App* child =
        parent->add_subcommand(name.substr(space == std::string::npos ? 0 : space + 1), command->summary());
    child->footer(command->details());
    command->declare(declared.emplace_back(*child));
    CLI::Option* json = child->add_flag("--json", parsed.json, "print JSON with a versioned schema name, for programs");
    if (!command->prints_documents()) json->group("");  // not listed: the command says why it takes none
    child->callback([&parsed, chosen = command.get()] { parsed.command = chosen; });
  }
  try {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    app.parse(words);
    return parsed;
  } catch (const CLI::CallForHelp&) {
    const CLI::App& at = deepest(app);
    parsed.text = at.help(at.get_parent() == nullptr ? "" : path_of(*at.get_parent()));
  } catch (const CLI::ParseError& error) {
    const CLI::App& at = deepest(app);
    const std::vector<std::string> extras = app.remaining(true);
    const bool group = !at.get_subcommands({}).empty();
    std::string what = error.what();
    if (!extras.empty()) {
      what = (group && extras.front().front() != '-' ? "unknown command \"" : "unknown argument \"") + extras.front() +
             "\"" + suggestion(at, extras.front());
    } else if (group) {
      what = "a command is required";
    }
    parsed.text = path_of(at) + ": " + printable(what) + "; see `" + path_of(at) + " --help`";
    parsed.exit = Exit::kUsageOrIo;
  }
  parsed.command = nullptr;
  return parsed;
}

}  // namespace khipu::cli
