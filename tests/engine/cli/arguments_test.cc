#include "engine/cli/arguments.h"

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "tests/support/catch.h"

using namespace khipu;

namespace {

class Probe final : public cli::Command {
 public:
  explicit Probe(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::string summary() const override { return "a probe"; }
  std::string details() const override { return "Exit codes: 0."; }
  void declare(cli::Arguments& arguments) override {
    arguments.required("ROOT", root, "the log's directory");
    arguments.rest("FILE", files, "files", 0);
    arguments.number("--limit", limit, 1, 200, "rows; default 25");
    arguments.flag("--follow", follow, "go on; default no");
    arguments.texts("--actor", actors, "REF", "who; may be repeated");
    arguments.text("--key", key, "KEY", "key; default none");
    arguments.choice("--order", order, {"asc", "desc"}, "order; default asc");
  }
  Result<cli::Exit> run(cli::Output&) override { return cli::Exit::kOk; }

  std::string root, key, order = "asc";
  std::vector<std::string> files, actors;
  uint64_t limit = 25;
  bool follow = false;

 private:
  std::string name_;
};

struct Fixture {
  std::vector<std::unique_ptr<cli::Command>> commands;
  Probe* probe;
  Fixture() {
    commands.push_back(std::make_unique<Probe>("query"));
    commands.push_back(std::make_unique<Probe>("types add"));
    probe = static_cast<Probe*>(commands[0].get());
  }
  cli::Parsed parse(std::vector<std::string> words) const { return cli::parse(std::move(words), commands); }
  std::string refusal(std::vector<std::string> words) const {
    const cli::Parsed parsed = parse(std::move(words));
    REQUIRE(parsed.command == nullptr);
    REQUIRE(parsed.exit == cli::Exit::kUsageOrIo);
    return parsed.text;
  }
};

}  // namespace

TEST_CASE("arguments: positions, flags, repeated ones and --json reach the command") {
  Fixture f;
  const cli::Parsed parsed = f.parse({"query", "--actor", "user:a", "root", "f1", "f2", "--limit", "7", "--follow",
                                      "--actor", "user:b", "--order", "desc", "--json"});
  REQUIRE(parsed.command == f.probe);
  REQUIRE(parsed.json);
  REQUIRE(f.probe->root == "root");
  REQUIRE(f.probe->files == std::vector<std::string>{"f1", "f2"});
  REQUIRE(f.probe->actors == std::vector<std::string>{"user:a", "user:b"});
  REQUIRE(f.probe->limit == 7);
  REQUIRE(f.probe->follow);
  REQUIRE(f.probe->order == "desc");
  REQUIRE(f.parse({"types", "add", "root"}).command == f.commands[1].get());
}

TEST_CASE("arguments: what is unknown is refused, and what was meant is named") {
  Fixture f;
  REQUIRE_THAT(f.refusal({"query", "root", "--limt", "7"}), ContainsSubstring("did you mean --limit?"));
  REQUIRE_THAT(f.refusal({"qurey", "root"}), ContainsSubstring("did you mean query?"));
  REQUIRE_THAT(f.refusal({"types", "ad", "root"}), ContainsSubstring("did you mean add?"));
  REQUIRE_THAT(f.refusal({}), ContainsSubstring("a command is required"));
  REQUIRE_THAT(f.refusal({"types"}), ContainsSubstring("a command is required"));
  REQUIRE_THAT(f.refusal({"query"}), ContainsSubstring("ROOT"));
}

TEST_CASE("arguments: --version is `khipu version`, groups are one line, and help names a position once") {
  const cli::Parsed version = cli::parse({"--version"}, cli::all_commands());
  REQUIRE(version.exit == cli::Exit::kOk);
  Fixture f;
  REQUIRE_THAT(f.refusal({"query", "root", "--version"}), ContainsSubstring("unknown argument \"--version\""));
  const std::string help = cli::parse({"--help"}, cli::all_commands()).text;
  REQUIRE_THAT(help, ContainsSubstring("--version"));
  REQUIRE_THAT(help, ContainsSubstring("Entity types and their fields: list, show, add, infer\n"));
  const std::string page = f.parse({"query", "--help"}).text;
  REQUIRE_THAT(page,
               !ContainsSubstring("ROOT ROOT") && !ContainsSubstring("FILE FILE") && !ContainsSubstring("REQUIRED"));
  REQUIRE_THAT(page, ContainsSubstring("  ROOT  ") && ContainsSubstring("  FILE ...  "));
}

TEST_CASE("arguments: numbers and words are held to their bounds") {
  Fixture f;
  for (const char* word : {"0", "201", "-1", "+5", "1e2", "0x10", "", " 5", "99999999999999999999"}) {
    REQUIRE_THAT(f.refusal({"query", "root", std::string("--limit=") + word}), ContainsSubstring("limit"));
  }
  REQUIRE_THAT(f.refusal({"query", "root", "--order", "up"}), ContainsSubstring("asc|desc"));
  REQUIRE(f.parse({"query", "root", "--limit", "200"}).command == f.probe);
  REQUIRE(f.probe->limit == 200);
}

TEST_CASE("arguments: no value is empty, by whatever way it comes") {
  Fixture f;
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"--key", ""},
                                                                                     {"--key="},
                                                                                     {"--actor", ""},
                                                                                     {"--actor", "user:a", "--actor="},
                                                                                     {"file", ""},
                                                                                     {"--order", ""}}) {
    std::vector<std::string> all = {"query", "root"};
    all.insert(all.end(), words.begin(), words.end());
    INFO(words.front());
    CHECK_THAT(f.refusal(all),
               ContainsSubstring("empty value") || ContainsSubstring("is not one of") || ContainsSubstring("missing"));
  }
  CHECK_THAT(f.refusal({"query", ""}), ContainsSubstring("empty value"));
  CHECK(f.parse({"query", "root", "--key", " "}).command == f.probe);
}

TEST_CASE("arguments: every command of the program has a help page with an example and its exit codes") {
  const std::vector<std::unique_ptr<cli::Command>> all = cli::all_commands();
  for (const auto& command : all) {
    INFO(command->name());
    std::vector<std::string> words;
    const std::string name = command->name();
    const size_t space = name.find(' ');
    words.push_back(name.substr(0, space));
    if (space != std::string::npos) words.push_back(name.substr(space + 1));
    words.push_back("--help");
    const cli::Parsed parsed = cli::parse(words, cli::all_commands());
    REQUIRE(parsed.exit == cli::Exit::kOk);
    REQUIRE_THAT(parsed.text, ContainsSubstring("xample"));
    REQUIRE_THAT(parsed.text, ContainsSubstring("xit codes"));
    REQUIRE((parsed.text.find("--json") != std::string::npos) == command->prints_documents());
    REQUIRE((command->prints_documents() || name == "serve"));
    REQUIRE_THAT(parsed.text, ContainsSubstring("khipu " + name));
  }
  REQUIRE(all.size() >= 15);
}
