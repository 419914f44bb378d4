#include "mcp/tools/resources.h"

#include "mcp/tools/prompts.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

struct Shelf : Desk {
  Shelf() : resources(tools::make_resources(audit)), prompts(tools::make_prompts(audit)) {
    Spec spec;
    spec.source = "billing";
    spec.actor = {"user", "u-1", {{"name", "alice"}}, false};
    spec.targets = {doc("d/1 x", "invoice")};
    spec.text = "free text";
    log.add(spec);
    spec.source = "other";
    spec.actor = {"user", "u-2", {{"name", "alan"}}, false};
    log.add(spec);
    context.caller_.grants = {"query", "reveal", "prove", "verify"};
  }
  Result<server::ReadResult> read(const std::string& uri) { return resources->read(uri, context); }
  std::string text(const std::string& uri) {
    const auto result = read(uri);
    INFO(uri << " " << (result.ok() ? "" : result.error().message));
    REQUIRE(result.ok());
    REQUIRE(result->contents.size() == 1);
    CHECK(result->contents[0].uri == uri);
    return std::get<std::string>(result->contents[0].data);
  }
  std::vector<std::string> words(const std::string& argument, const std::string& typed,
                                 const protocol::PromptArguments& settled = {}) {
    return tools::complete_word(audit, argument, typed, settled, context).values;
  }
  const std::string& text_of_last() const { return Desk::text; }
  std::unique_ptr<server::ResourceProvider> resources;
  std::vector<std::unique_ptr<server::Prompt>> prompts;
};

}  // namespace

TEST_CASE("resources: every listed one can be read, and templates lead to events and entities") {
  Shelf shelf;
  REQUIRE(shelf.log.writer().publish().ok());
  const auto page = shelf.resources->list("", shelf.context);
  REQUIRE(page.ok());
  CHECK(page->resources.size() == 5);
  for (const server::ResourceInfo& info : page->resources) CHECK_FALSE(shelf.text(info.uri).empty());
  CHECK_FALSE(shelf.resources->list("x", shelf.context).ok());
  CHECK(shelf.resources->templates().size() == 7);
  CHECK_THAT(shelf.text("audit://event/0"), ContainsSubstring("user:u-1"));
  CHECK_THAT(shelf.text("audit://entity/doc/d%2F1%20x"), ContainsSubstring("invoice"));
  CHECK(shelf.text("audit://checkpoint/latest").starts_with("example.org/audit\n"));
}

TEST_CASE("resources: the raw record is the committed bytes, for those who may see them") {
  Shelf shelf;
  const auto raw = shelf.read("audit://event/0/raw");
  REQUIRE(raw.ok());
  const auto snapshot = shelf.log.store().snapshot().value();
  CHECK(std::get<Buffer>(raw->contents[0].data) == snapshot->record(TableId::kLogs, {0}).value().payload);
  shelf.context.caller_.grants = {"query"};
  CHECK(shelf.read("audit://event/0/raw").error().code == Code::kForbidden);
  CHECK(shelf.read("audit://proof/0").error().code == Code::kForbidden);
}

TEST_CASE("resources: what is not there, is malformed or lies outside the scope is not found") {
  Shelf shelf;
  for (const char* uri : {"audit://nothing", "audit://event/7", "audit://event/x", "audit://event/0/raw/",
                          "audit://event/", "audit://entity/doc", "audit://entity/doc/%zz", "http://event/0",
                          "audit://guide/x", "audit://checkpoint/x", "audit://entity/doc/nobody"}) {
    INFO(uri);
    const auto read = shelf.read(uri);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == Code::kNotFound);
  }
  shelf.context.caller_.scope.sources = {"other"};
  for (const char* uri : {"audit://event/0", "audit://event/0/raw", "audit://proof/0", "audit://entity/user/u-1"}) {
    INFO(uri);
    CHECK(shelf.read(uri).error().code == Code::kNotFound);
  }
  CHECK(shelf.read("audit://event/1").ok());
  CHECK_FALSE(shelf.resources->may_subscribe("audit://coverage", shelf.context.caller_));
}

TEST_CASE(
    "resources: an export is the page that was answered and all after it, of the same tree, for its caller, for a "
    "time") {
  Shelf shelf;
  for (int count = 0; count < 450; ++count) shelf.log.add({.actor = user("u-3"), .action = "GET", .text = kHostile});
  const OrderedJson page = shelf.good("audit_query", {{"actor", {"user:u-3"}}, {"limit", 10}, {"export", true}});
  const std::string uri = page.at("export");
  CHECK(header(shelf.text_of_last(), "export").starts_with(uri));
  shelf.log.add({.actor = user("u-3"), .action = "LATE"});
  const std::vector<std::string> lines = lines_of(shelf.text(uri));
  REQUIRE(lines.size() == 452);  // what was asked, 450 rows, how it ended
  const Json first = Json::parse(lines.front()), last = Json::parse(lines.back());
  CHECK(first.at("as_of") == Json(page.at("as_of")));
  CHECK(first.at("total") == 450);
  CHECK(last.at("returned") == 450);
  CHECK(last.at("complete") == true);
  uint64_t expected = Json::parse(lines[1]).at("seq");
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    const OrderedJson row = OrderedJson::parse(lines[i]);
    CHECK(row.at("seq") == expected--);
    each_string(row, [](const std::string& one) { CHECK(tools::is_presentable(one)); });
  }
  CHECK(shelf.bad("audit_query", {{"log", "access"}, {"export", true}}).at("field") == "export");
  CHECK(shelf.read("audit://export/1-beef").error().code == Code::kNotFound);
  shelf.context.caller_.id = "uid:2";
  CHECK(shelf.read(uri).error().code == Code::kNotFound);
  shelf.context.caller_.id = "uid:1";
  CHECK(shelf.read(uri).ok());
  shelf.context.now_ += 15LL * 60 * 1'000'000;
  CHECK(shelf.read(uri).error().code == Code::kNotFound);
}

TEST_CASE("resources: an export that has no room for all says so, and its cursor goes on") {
  Shelf shelf;
  Spec large{.actor = user("u-3")};
  for (int target = 0; target < 40; ++target) {
    large.targets.push_back(doc("d-" + std::to_string(target), std::string(40, 'n')));
  }
  for (int count = 0; count < 250; ++count) shelf.log.add(large);
  const Json asked = {{"actor", {"user:u-3"}}, {"limit", 1}, {"export", true}, {"detail", "detailed"}};
  const OrderedJson page = shelf.good("audit_query", asked);
  const std::string text = shelf.text(page.at("export"));
  CHECK(text.size() <= tools::kExportSizeMax);
  const std::vector<std::string> lines = lines_of(text);
  const Json last = Json::parse(lines.back());
  const uint64_t returned = last.at("returned");
  CHECK(returned == lines.size() - 2);
  REQUIRE(returned < 250);
  CHECK(last.at("complete") == false);
  const OrderedJson rest = shelf.good("audit_query", {{"cursor", last.at("cursor")}, {"limit", 1}});
  CHECK(rest.at("events").at(0).at("seq") == Json::parse(lines[lines.size() - 2]).at("seq").get<uint64_t>() - 1);
  // And one that has no time for more than the page it was made from.
  shelf.context.remaining = 1000;
  const std::vector<std::string> short_of_time = lines_of(shelf.text(page.at("export")));
  CHECK(short_of_time.size() == 3);
  CHECK(Json::parse(short_of_time.back()).at("complete") == false);
}

TEST_CASE("prompts: seven, each with its arguments in its text and nothing left open") {
  Shelf shelf;
  REQUIRE(shelf.prompts.size() == 7);
  for (const auto& prompt : shelf.prompts) {
    const server::PromptInfo& info = prompt->info();
    INFO(info.name);
    CHECK_FALSE(info.title.empty());
    CHECK_FALSE(info.description.empty());
    server::PromptArguments required, all;
    for (const server::PromptArgument& argument : info.arguments) {
      CHECK_FALSE(argument.description.empty());
      all[argument.name] = "value-of-" + argument.name;
      if (argument.required) required[argument.name] = "x";
    }
    for (const auto& given : {required, all}) {
      const auto result = prompt->get(given, shelf.context);
      REQUIRE(result.ok());
      const std::string text = std::get<protocol::TextContent>(result->messages.at(0).content).text;
      CHECK(text.find("{{") == std::string::npos);
      CHECK_THAT(text, ContainsSubstring("evidence"));
      CHECK_THAT(text, ContainsSubstring("audit_"));
      for (const auto& [name, value] : given) CHECK_THAT(text, ContainsSubstring(value));
    }
  }
}

TEST_CASE("prompts: an argument cannot break its line or bring controls") {
  Shelf shelf;
  const auto result = shelf.prompts[0]->get(
      {{"actor", "x\n\x1b[2J"}, {"target", "x\n\x1b"}, {"period", "x"}, {"window", "x"}, {"control", "x"}},
      shelf.context);
  REQUIRE(result.ok());
  CHECK(std::get<protocol::TextContent>(result->messages.at(0).content).text.find('\x1b') == std::string::npos);
}

TEST_CASE("completion: types, sources, entities and periods, within the caller's scope and only with the grant") {
  Shelf shelf;
  CHECK(shelf.words("source", "b") == std::vector<std::string>{"billing"});
  CHECK(shelf.words("type", "us") == std::vector<std::string>{"user"});
  CHECK(shelf.words("actor", "user:u-") == std::vector<std::string>{"user:u-1", "user:u-2"});
  CHECK(shelf.words("actor", "al").size() == 2);
  CHECK(shelf.words("id", "u-", {{"type", "user"}}).size() == 2);
  CHECK(shelf.words("id", "u-", {{"type", "doc"}}).empty());
  CHECK(shelf.words("period", "last") == std::vector<std::string>{"last_week", "last_month"});
  CHECK(shelf.words("seq", "") == std::vector<std::string>{"1", "0"});
  CHECK(shelf.words("seq", "1") == std::vector<std::string>{"1"});
  CHECK(shelf.words("nothing", "a").empty());
  shelf.context.caller_.scope.sources = {"other"};
  CHECK(shelf.words("source", "") == std::vector<std::string>{"other"});
  CHECK(shelf.words("actor", "user:u-") == std::vector<std::string>{"user:u-2"});
  CHECK(shelf.words("seq", "") == std::vector<std::string>{"1"});
  shelf.context.caller_.grants = {"verify"};
  CHECK(shelf.words("source", "").empty());
}

TEST_CASE(
    "exports: a caller's own make room for its newest, and those of whoever has the most where all are too many") {
  tools::Exports exports;
  const auto keep = [&](const std::string& caller) {
    tools::Export made;
    made.caller = caller;
    made.tag = "beef";
    return exports.keep(std::move(made), 0).substr(tools::kExportPrefix.size());
  };
  const std::string bobs = keep("bob");
  std::vector<std::string> alices;
  for (int i = 0; i < 17; ++i) alices.push_back(keep("alice"));
  CHECK(exports.find(bobs, "bob", 0) != nullptr);
  CHECK(exports.find(alices[0], "alice", 0) == nullptr);
  CHECK(exports.find(alices[1], "alice", 0) != nullptr);
  for (int i = 0; i < 120; ++i) (void)keep("caller " + std::to_string(i));
  CHECK(exports.find(bobs, "bob", 0) != nullptr);
  size_t kept = 0;
  for (const std::string& id : alices) kept += exports.find(id, "alice", 0) != nullptr ? 1 : 0;
  CHECK(kept == 7);
}
