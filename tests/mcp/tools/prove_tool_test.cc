// audit_prove: what it says was checked, what it links can be read and checked by itself, and nobody gets either
// without the grant, nor of events outside their scope.
#include "engine/proof/check.h"
#include "engine/tree/note.h"
#include "mcp/tools/proof_document.h"
#include "mcp/tools/resources.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

// Two publications of logs/: 3 and 7 events, of the sources "ours" and "theirs" in turn.
struct Published : Desk {
  Published() {
    for (const int events : {3, 4}) {
      for (int i = 0; i < events; ++i) {
        const std::string digit = std::to_string(log.store().snapshot().value()->size(TableId::kLogs));
        log.add({.actor = user("u-" + digit), .action = "PUT", .source = digit.back() % 2 == 0 ? "ours" : "theirs"});
      }
      REQUIRE(log.writer().publish().ok());
    }
    resources = tools::make_resources(audit);
  }
  tree::VerifierKey key() {
    const auto snapshot = log.store().snapshot();
    return {(*snapshot)->genesis().origin, tree::KeyType::kEd25519, (*snapshot)->genesis().verifier};
  }
  // What resources/read gives for a link.
  proof::Document read(const std::string& uri) {
    const auto result = resources->read(uri, context);
    INFO(uri << " " << (result.ok() ? "" : result.error().message));
    REQUIRE(result.ok());
    CHECK(result->contents.at(0).mime_type == "application/json");
    auto document = proof::parse_document(std::get<std::string>(result->contents[0].data));
    REQUIRE(document.ok());
    return std::move(document).value();
  }
  std::unique_ptr<server::ResourceProvider> resources;
};

}  // namespace

TEST_CASE("prove: events are proven, and the linked documents are read and are right by themselves") {
  Published desk;
  const server::ToolResult result =
      desk.call("audit_prove", {{"kind", "inclusion"}, {"seq", {0, 6}}, {"format", "bundle"}});
  REQUIRE_FALSE(result.is_error);
  const OrderedJson& answer = *result.structured;
  CHECK(answer.at("verdict") == "pass");
  CHECK(header(result.text, "verdict") == "pass");
  CHECK(answer.at("returned") == 2);
  REQUIRE(answer.at("proofs").size() == 2);
  CHECK(answer.at("proofs")[1].at("seq") == 6);
  CHECK(answer.at("proofs")[1].at("tree_size") == 7);
  CHECK(answer.at("proofs")[1].at("root").get<std::string>().size() == 19);  // never a whole hash
  CHECK(table_rows(result.text, "seq,leaf_index,tree_size,root,").size() == 2);
  CHECK(header(result.text, "statement") == answer.at("statement"));
  REQUIRE(result.links.size() == 2);
  for (const server::ResourceLink& link : result.links) {
    CHECK(link.mime_type == "application/json");
    const proof::Document document = desk.read(link.uri);
    const proof::CheckedEvent checked = proof::check(std::get<proof::EventBundle>(document), desk.key());
    CHECK(checked.right);
    CHECK(checked.table.size == 7);
  }
  CHECK(answer.at("proofs")[1].at("bundle_bytes") == proof::format_document(desk.read(result.links[1].uri)).size());
  CHECK(desk.call("audit_prove", {{"kind", "inclusion"}, {"seq", 6}}).links.empty());  // a summary
}

TEST_CASE("prove: a link gives the same document when the log has grown") {
  Published desk;
  const std::string uri = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", 1}})["proofs"][0]["uri"];
  CHECK(uri == "audit://proof/1?size=7");
  const proof::Document then = desk.read(uri), newest = desk.read("audit://proof/1");
  desk.log.add({.actor = user("u-9"), .action = "GET"});
  REQUIRE(desk.log.writer().publish().ok());
  CHECK(desk.read(uri) == then);
  CHECK_FALSE(desk.read("audit://proof/1") == newest);
}

TEST_CASE("prove: against an older checkpoint by its number") {
  Published desk;
  uint64_t number = 0;  // the first that covers three events
  for (uint64_t n = 1; number == 0 && n < 20; ++n) {
    const server::ToolResult at = desk.call("audit_prove", {{"kind", "inclusion"}, {"seq", 2}, {"at", n}});
    if (!at.is_error) number = n;
  }
  REQUIRE(number > 0);
  const OrderedJson old = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", 2}, {"at", number}});
  CHECK(old.at("proofs")[0].at("tree_size") == 3);
  CHECK(old.at("proofs")[0].at("uri") == "audit://proof/2?at=" + std::to_string(number));
  const auto document = desk.read(old.at("proofs")[0].at("uri"));
  CHECK(proof::check(std::get<proof::EventBundle>(document), desk.key()).table.size == 3);
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 6}, {"at", number}}).at("code") == "NOT_FOUND");
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 6}, {"at", 99}}).at("code") == "NOT_FOUND");
}

TEST_CASE("prove: a later checkpoint extends an earlier one, and a run of events is complete") {
  Published desk;
  const server::ToolResult both =
      desk.call("audit_prove", {{"kind", "consistency"}, {"from_size", 3}, {"to_size", 7}, {"format", "bundle"}});
  REQUIRE_FALSE(both.is_error);
  REQUIRE(both.links.size() == 1);
  CHECK(both.links[0].uri == "audit://proof/consistency/3/7");
  CHECK(proof::check(std::get<proof::ConsistencyBundle>(desk.read(both.links[0].uri)), desk.key()).right);
  const server::ToolResult run =
      desk.call("audit_prove", {{"kind", "range"}, {"from_seq", 2}, {"to_seq", 5}, {"format", "bundle"}});
  REQUIRE_FALSE(run.is_error);
  CHECK(run.structured->at("proofs")[0].at("events") == 3);
  REQUIRE(run.links.size() == 1);
  CHECK(run.links[0].uri == "audit://proof/range/2/5?size=7");
  const auto document = desk.read(run.links[0].uri);
  const auto checked = proof::check(std::get<proof::RangeBundle>(document), desk.key());
  CHECK(checked.right);
  CHECK(checked.events.size() == 3);
}

TEST_CASE("prove: a published checkpoint, line by line, is a note that verifies") {
  Published desk;
  const server::ToolResult result = desk.call("audit_prove", {{"kind", "checkpoint"}, {"format", "bundle"}});
  REQUIRE_FALSE(result.is_error);
  const OrderedJson& answer = *result.structured;
  std::string text;
  for (const OrderedJson& line : answer.at("checkpoint")) text += line.get<std::string>() + "\n";
  CHECK(result.text.ends_with("\ncheckpoint, whole:\n" + text));
  const auto note = tree::parse_note(text);
  REQUIRE(note.ok());
  CHECK(tree::verify_note(*note, {desk.key()}).accepted());
  REQUIRE(result.links.size() == 1);
  const auto read = desk.resources->read(result.links[0].uri, desk.context);
  REQUIRE(read.ok());
  CHECK(std::get<std::string>(read->contents.at(0).data) == text);
  CHECK(desk.good("audit_prove", {{"kind", "checkpoint"}, {"at", 1}}).at("checkpoint_size") <
        answer.at("checkpoint_size"));
}

TEST_CASE("prove: a checkpoint signed by another key than the pinned one is a verdict of fail") {
  Published desk;
  desk.audit.verifier_key = std::array<uint8_t, 32>{1};
  const OrderedJson answer = desk.good("audit_prove", {{"kind", "checkpoint"}});
  CHECK(answer.at("verdict") == "fail");
  CHECK_FALSE(answer.contains("checkpoint"));
}

TEST_CASE("prove: a damaged event is a verdict of fail, and the others are proven beside it") {
  Published desk;
  constexpr const char* kLogs = "root/logs/seg-0000000000.log";
  const Buffer content = desk.log.disk().read(kLogs);
  const std::string_view word = "theirs";  // of event 1
  const auto at = std::search(content.begin(), content.end(), word.begin(), word.end());
  REQUIRE(at != content.end());
  desk.log.disk().flip_bit(kLogs, static_cast<uint64_t>(at - content.begin()));
  const OrderedJson answer = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", {0, 1, 2}}});
  CHECK(answer.at("verdict") == "fail");
  REQUIRE(answer.at("failed").size() == 1);
  CHECK(answer.at("failed")[0].at("seq") == 1);
  CHECK(answer.at("proofs").size() == 2);
  CHECK(header(desk.text, "failed").find("\"seq\":1") != std::string::npos);
  CHECK(desk.good("audit_prove", {{"kind", "range"}, {"from_seq", 0}, {"to_seq", 3}}).at("verdict") == "fail");
  CHECK(desk.resources->read("audit://proof/1", desk.context).error().code == Code::kCorrupt);
}

TEST_CASE("prove: what cannot be proven is an error that says why") {
  Published desk;
  const auto code = [&](const Json& arguments) { return desk.bad("audit_prove", arguments).at("code"); };
  const auto field = [&](const Json& arguments) { return desk.bad("audit_prove", arguments).at("field"); };
  CHECK(field({{"kind", "inclusion"}}) == "seq");
  CHECK(code({{"kind", "inclusion"}, {"seq", 7}}) == "NOT_FOUND");
  CHECK(code({{"kind", "inclusion"}, {"seq", 18446744073709551615U}}) == "NOT_FOUND");
  CHECK(field({{"kind", "inclusion"}, {"seq", 0}, {"from_size", 3}}) == "from_size");
  CHECK(field({{"kind", "consistency"}, {"from_size", 3}}) == "to_size");
  CHECK(code({{"kind", "consistency"}, {"from_size", 4}, {"to_size", 7}}) == "NOT_FOUND");
  CHECK(code({{"kind", "consistency"}, {"from_size", 7}, {"to_size", 3}}) == "INVALID_ARGUMENT");
  CHECK(field({{"kind", "consistency"}, {"from_size", 3}, {"to_size", 7}, {"at", 1}}) == "at");
  CHECK(code({{"kind", "range"}, {"from_seq", 3}, {"to_seq", 3}}) == "INVALID_ARGUMENT");
  CHECK(code({{"kind", "range"}, {"from_seq", 3}, {"to_seq", 8}}) == "NOT_FOUND");
  CHECK(field({{"kind", "range"}, {"from_seq", 3}}) == "to_seq");
  CHECK(code({{"kind", "checkpoint"}, {"at", 99}}) == "NOT_FOUND");
  CHECK(field({{"kind", "verdict"}}) == "kind");
  CHECK(field(Json::object()) == "kind");
  Json many = Json::array();
  for (int i = 0; i < 21; ++i) many.push_back(0);
  CHECK(field({{"kind", "inclusion"}, {"seq", many}}) == "seq");
  desk.log.add({.actor = user("u-1"), .action = "PUT"});  // written, and no checkpoint covers it yet
  CHECK(code({{"kind", "inclusion"}, {"seq", 7}}) == "BUSY");
  const OrderedJson some = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", {0, 99}}});
  CHECK(some.at("verdict") == "pass");
  CHECK(some.at("missing")[0].at("seq") == 99);
  CHECK(some.at("missing")[0].at("code") == "NOT_FOUND");
}

TEST_CASE("prove: needs its grant, and without it is not listed") {
  Published desk;
  CHECK(desk.tool("audit_prove").is_listed(desk.context.caller()));
  desk.context.caller_.grants = {"query", "reveal", "verify"};
  CHECK_FALSE(desk.tool("audit_prove").is_listed(desk.context.caller()));
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 0}}).at("code") == "FORBIDDEN");
  for (const char* uri :
       {"audit://proof/0", "audit://proof/0?size=7", "audit://proof/range/0/2", "audit://proof/consistency/3/7"}) {
    CHECK(desk.resources->read(uri, desk.context).error().code == Code::kForbidden);
  }
}

TEST_CASE("prove: an event outside the caller's scope and one that is not there have the same answer") {
  Published desk;
  desk.context.caller_.scope.sources = {"ours"};
  CHECK(desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", 0}}).at("returned") == 1);
  const auto told = [&](const Json& arguments) { return desk.bad("audit_prove", arguments).dump(); };
  CHECK(told({{"kind", "inclusion"}, {"seq", 1}}) == told({{"kind", "inclusion"}, {"seq", 99}}));
  CHECK(told({{"kind", "range"}, {"from_seq", 0}, {"to_seq", 3}}) ==
        told({{"kind", "range"}, {"from_seq", 98}, {"to_seq", 99}}));
  CHECK(desk.good("audit_prove", {{"kind", "range"}, {"from_seq", 2}, {"to_seq", 3}}).at("returned") == 1);
  const OrderedJson some = desk.good("audit_prove", {{"kind", "inclusion"}, {"seq", {0, 1, 99}}});
  CHECK(some.at("missing")[0].at("hint") == some.at("missing")[1].at("hint"));
  for (const char* form : {"audit://proof/#", "audit://proof/#?size=7", "audit://proof/range/0/#"}) {
    const auto answer = [&](const char* seq) {
      std::string uri = form;
      const Error error = desk.resources->read(uri.replace(uri.find('#'), 1, seq), desk.context).error();
      return std::pair(error.code, error.message);
    };
    INFO(form);
    CHECK(answer("3") == answer("99"));
    CHECK(answer("3").first == Code::kNotFound);
  }
}

TEST_CASE("prove: purged events are told as purged, also to a caller with a scope") {
  TestLog log(4096);
  for (int i = 0; i < 60; ++i) log.add({.actor = user("u-1"), .action = "PUT", .source = i == 0 ? "theirs" : "ours"});
  log.wait_until_indexed();
  log.purge(1);
  REQUIRE(log.writer().publish().ok());
  tools::AuditContext audit{log.engine(), log.store(), std::nullopt, "root"};
  server::Caller caller{"uid:1", {"prove"}, ""};
  CHECK(tools::make_proof(audit, caller, {tools::ProofKind::kInclusion, 0}).error().code == Code::kPurged);
  CHECK(tools::make_proof(audit, caller, {tools::ProofKind::kRange, 0, 2}).error().code == Code::kPurged);
  CHECK(tools::make_proof(audit, caller, {tools::ProofKind::kInclusion, 59}).ok());
  caller.scope.sources = {"ours"};
  CHECK(tools::make_proof(audit, caller, {tools::ProofKind::kInclusion, 0}).error().code == Code::kPurged);
}

TEST_CASE("prove: a document too large to be sent is refused by its size, before it is made") {
  Published desk;
  const std::string large(900'000, 'x');
  desk.log.add({.actor = user("u-1"), .action = "PUT", .text = large});
  REQUIRE(desk.log.writer().publish().ok());
  CHECK(desk.bad("audit_prove", {{"kind", "inclusion"}, {"seq", 7}}).at("code") == "RESULT_TOO_LARGE");
  CHECK(desk.bad("audit_prove", {{"kind", "range"}, {"from_seq", 6}, {"to_seq", 8}}).at("code") == "RESULT_TOO_LARGE");
  CHECK(desk.resources->read("audit://proof/7", desk.context).error().code == Code::kLimit);
}

TEST_CASE("prove: a name of a document is one text") {
  using tools::ProofKind;
  const tools::ProofName names[] = {
      {ProofKind::kInclusion, 0},           {ProofKind::kInclusion, 18446744073709551615U, 0, 12},
      {ProofKind::kInclusion, 7, 0, {}, 8}, {ProofKind::kRange, 3, 18446744073709551615U},
      {ProofKind::kRange, 3, 5, {}, 10},    {ProofKind::kConsistency, 3, 7}};
  for (const tools::ProofName& name : names) CHECK(tools::parse_proof_uri(tools::proof_uri(name)) == name);
  for (const char* text :
       {"", "audit://proof/", "audit://proof/x", "audit://proof/01", "audit://proof/1/", "audit://proof/1?x",
        "audit://proof/1?at=", "audit://proof/1?at=1&size=2", "audit://proof/1?at=1 ", "audit://proof/-1",
        "audit://proof/range/1", "audit://proof/range/1/", "audit://proof/range/1/2/3", "audit://proof/range//2",
        "audit://proof/consistency/1/2?at=1", "audit://proof/18446744073709551616", "file:///etc/passwd",
        "khipu://proof/1"}) {
    INFO(text);
    CHECK_FALSE(tools::parse_proof_uri(text).has_value());
  }
}
