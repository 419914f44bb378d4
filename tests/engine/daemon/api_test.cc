// The routes against a sink that does what the test wants: full, poisoned, out of disk.
#include "engine/daemon/api.h"

#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/daemon/limits_json.h"
#include "engine/daemon/schema_json.h"
#include "engine/ingest/wire.h"
#include "engine/os/process.h"
#include "engine/registry/schema.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

class FakeSink final : public daemon::EventSink {
 public:
  Result<writer::Receipt> submit(ingest::Batch batch) override {
    batches.push_back(std::move(batch));
    if (failure) return *failure;
    writer::Receipt receipt;
    receipt.first_seq = {seq};
    receipt.count = batches.back().events.size();
    seq += receipt.count;
    return receipt;
  }
  std::shared_ptr<const registry::Schema> schema() const override { return std::make_shared<const registry::Schema>(); }
  writer::Status status() const override { return figures; }
  Result<void> publish() override {
    ++figures.checkpoint;
    return {};
  }

  std::deque<ingest::Batch> batches;
  std::optional<Error> failure;
  writer::Status figures;
  uint64_t seq = 5;
};

class FakeRequest final : public daemon::HttpRequest {
 public:
  FakeRequest(std::string method, std::string path, std::string body = "", std::string type = "application/json")
      : method_(std::move(method)), path_(std::move(path)), body_(std::move(body)) {
    peer_.local = true;
    peer_.process.uid = os::effective_user_id();
    headers.emplace("Content-Type", std::move(type));
  }
  std::string_view method() const override { return method_; }
  std::string_view path() const override { return path_; }
  const std::vector<std::pair<std::string, std::string>>& query() const override { return parameters; }
  size_t header_count(const std::string& name) const override { return headers.count(name); }
  std::string header(const std::string& name) const override {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  const daemon::HttpPeer& peer() const override { return peer_; }
  Result<std::string> body() override { return body_; }

  std::multimap<std::string, std::string> headers;
  std::vector<std::pair<std::string, std::string>> parameters;
  daemon::HttpPeer peer_;

 private:
  std::string method_, path_, body_;
};

struct Fixture {
  FakeSink sink;
  tests::FakeClock clock;
  daemon::Api api{sink, clock};
  daemon::HttpResponse events(const std::string& body, const std::string& type = "application/json") {
    FakeRequest request("POST", "/v1/events", body, type);
    return api.handle(request);
  }
};

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";

}  // namespace

TEST_CASE("api: one event and a batch are answered with their seqs") {
  Fixture f;
  daemon::HttpResponse one = f.events(kEvent);
  REQUIRE(one.status == 200);
  REQUIRE(one.body == R"({"schema":"khipu.receipt/v1","first_seq":5,"count":1,"seqs":[5],"durable":true,)"
                      R"("duplicate":false,"commit":0})");
  daemon::HttpResponse two = f.events(kEvent + "\n\n" + kEvent + "\n", "application/x-ndjson; charset=utf-8");
  REQUIRE_THAT(two.body, ContainsSubstring("\"seqs\":[6,7]"));
  REQUIRE(f.sink.batches.size() == 2);
  REQUIRE(daemon::parse_receipt(two.body).value().seqs[1] == Row{7});
}

TEST_CASE("api: a bad line is answered with its line and member, and nothing is handed on") {
  Fixture f;
  const std::string bad = R"({"actor":{"type":"user","id":"u-1","nmae":"x"},"action":"login"})";
  const daemon::HttpResponse answer = f.events(kEvent + "\n" + bad + "\n", "application/x-ndjson");
  REQUIRE(answer.status == 400);
  REQUIRE_THAT(answer.body, ContainsSubstring("\"line\":2"));
  REQUIRE_THAT(answer.body, ContainsSubstring("nmae"));
  REQUIRE(f.events("{").status == 400);
  REQUIRE(f.events("", "application/x-ndjson").status == 400);
  REQUIRE(f.events(kEvent, "text/plain").status == 415);
  REQUIRE(f.events(kEvent, "").status == 415);
  REQUIRE(f.sink.batches.empty());
}

TEST_CASE("api: what the writer refuses names the line of the event it names") {
  Fixture f;
  f.sink.failure = Error{Code::kInvalid, "event 1: actor.type: unknown type 'usr'"};
  const daemon::HttpResponse answer = f.events(kEvent + "\n\n" + kEvent + "\n", "application/x-ndjson");
  REQUIRE(answer.status == 400);
  REQUIRE_THAT(answer.body, ContainsSubstring("\"line\":3"));
  REQUIRE_THAT(answer.body, ContainsSubstring("\"path\":\"actor.type\""));
}

TEST_CASE("api: each failure of the writer has its status (REFERENCE 30)") {
  Fixture f;
  const auto status = [&](Code code) {
    f.sink.failure = Error{code, "why"};
    return f.events(kEvent).status;
  };
  REQUIRE(status(Code::kConflict) == 409);
  REQUIRE(status(Code::kNoSpace) == 507);
  REQUIRE(status(Code::kLimit) == 413);
  REQUIRE(status(Code::kIo) == 500);
  f.sink.failure = Error{Code::kBusy, "the queue is full"};
  daemon::HttpResponse busy = f.events(kEvent);
  REQUIRE(busy.status == 503);
  REQUIRE(busy.retry_after_s.has_value());
  REQUIRE_THAT(busy.body, ContainsSubstring("\"code\":\"busy\""));
  f.sink.failure = Error{Code::kPoisoned, "a sync failed"};
  REQUIRE_THAT(f.events(kEvent).body, ContainsSubstring("\"code\":\"poisoned\""));
  REQUIRE(daemon::parse_error({503, busy.body}).code == Code::kBusy);
}

TEST_CASE("api: idempotency keys carry who sent them and the hash of the body") {
  Fixture f;
  FakeRequest request("POST", "/v1/events", kEvent);
  request.headers.emplace("Idempotency-Key", "k-1");
  REQUIRE(f.api.handle(request).status == 200);
  REQUIRE(f.sink.batches[0].key->key == "k-1");
  REQUIRE(f.sink.batches[0].key->scope == "uid:" + std::to_string(os::effective_user_id()));
  FakeRequest other("POST", "/v1/events", kEvent + " ");
  other.headers.emplace("Idempotency-Key", "k-1");
  REQUIRE(f.api.handle(other).status == 200);
  REQUIRE(f.sink.batches[0].key->body != f.sink.batches[1].key->body);
  for (const std::string& key : {std::string(), std::string(129, 'a'), std::string("a b"), std::string("\xC3\xA9")}) {
    FakeRequest bad("POST", "/v1/events", kEvent);
    bad.headers.emplace("Idempotency-Key", key);
    REQUIRE(f.api.handle(bad).status == 400);
  }
  FakeRequest twice("POST", "/v1/events", kEvent);
  twice.headers.emplace("Idempotency-Key", "a");
  twice.headers.emplace("Idempotency-Key", "b");
  REQUIRE(f.api.handle(twice).status == 400);
}

TEST_CASE("api: idempotency by event_id wants one in every event, and an unknown parameter is refused") {
  Fixture f;
  const auto ask = [&](const std::string& body, const std::string& name, const std::string& value) {
    FakeRequest request("POST", "/v1/events", body, "application/x-ndjson");
    request.parameters = {{name, value}};
    return f.api.handle(request);
  };
  const auto event = [](const std::string& source, const std::string& id) {
    return R"({"actor":{"type":"user","id":"u"},"action":"a","source":")" + source + R"(","event_id":")" + id + "\"}\n";
  };
  REQUIRE(ask(event("ab", "c") + event("a", "bc"), "idempotency", "event_id").status == 200);
  const std::vector<ingest::IdempotencyKey>& keys = f.sink.batches[0].event_keys;
  REQUIRE(keys.size() == 2);
  REQUIRE(keys[0].key != keys[1].key);  // ("ab","c") is not ("a","bc")
  const daemon::HttpResponse missing = ask(event("s", "1") + kEvent, "idempotency", "event_id");
  REQUIRE(missing.status == 400);
  REQUIRE_THAT(missing.body, ContainsSubstring("\"line\":2"));
  REQUIRE(ask(kEvent, "idempotency", "batch").status == 400);
  REQUIRE(ask(kEvent, "idempotent", "event_id").status == 400);
}

TEST_CASE("api: unknown paths, wrong methods, strangers") {
  Fixture f;
  const auto status = [&](const std::string& method, const std::string& path) {
    FakeRequest request(method, path, "{}");
    return f.api.handle(request).status;
  };
  REQUIRE(status("POST", "/v1/event") == 404);
  REQUIRE(status("POST", "/") == 404);
  REQUIRE(status("DELETE", "/v1/events") == 405);
  REQUIRE(status("POST", "/v1/status") == 405);
  REQUIRE(status("GET", "/v1/status") == 200);
  FakeRequest stranger("POST", "/v1/events", kEvent);
  stranger.peer_.process.uid = os::effective_user_id() + 4711;
  REQUIRE(f.api.handle(stranger).status == 403);
  stranger.peer_.process.same_group = true;
  REQUIRE(f.api.handle(stranger).status == 200);
}

TEST_CASE("api: over TCP a token with the grant decides (REFERENCE 31)") {
  Fixture f;
  const tests::TempDirectory folder;
  const std::unique_ptr<os::Directory> keys = std::move(os::open_directory(folder.path())).value();
  tests::FakeRandom random;
  const auto mint = [&](const std::string& name, auth::Grant grant, std::optional<TimeUs> expires) {
    auth::Token token;
    token.name = name;
    token.grants = {grant};
    token.expires = expires;
    return auth::mint(*keys, random, f.clock.now(), std::move(token)).value();
  };
  const std::string good = mint("good", auth::Grant::kIngest, {});
  const std::string reader = mint("reader", auth::Grant::kQuery, {});
  const std::string old = mint("old", auth::Grant::kIngest, f.clock.now() + 1);
  f.clock.advance_us(10);
  f.api.set_tokens(std::make_shared<const auth::Tokens>(auth::load_tokens(*keys).value()));
  const auto status = [&](const std::string& authorization, const std::string& path = "/v1/events",
                          const std::string& method = "POST") {
    FakeRequest request(method, path, kEvent);
    request.peer_ = {};
    request.peer_.address = "192.0.2.7";
    if (!authorization.empty()) request.headers.emplace("Authorization", authorization);
    return f.api.handle(request).status;
  };
  REQUIRE(status("") == 401);
  REQUIRE(status("Bearer khp_unknown") == 401);
  REQUIRE(status("Bearer " + old) == 401);
  REQUIRE(status(good) == 401);
  REQUIRE(status("Bearer " + reader) == 403);
  REQUIRE(status("Bearer " + good) == 200);
  REQUIRE(f.sink.batches.size() == 1);
  REQUIRE(status("Bearer " + good, "/v1/types") == 403);  // definitions come over the socket only
  REQUIRE(status("bEARER " + good, "/v1/types") == 403);  // a scheme's name has no case (RFC 9110 11.1)
  REQUIRE(status("Bearer", "/v1/types") == 401);
  REQUIRE(status("Bearer " + good, "/v1/status", "GET") == 403);
  REQUIRE(status("", "/v1/healthz", "GET") == 200);
  FakeRequest wire("POST", "/v1/events", "", "application/cbor");
  wire.peer_ = {};
  wire.headers.emplace("Authorization", "Bearer " + good);
  REQUIRE(f.api.handle(wire).status == 415);
}

TEST_CASE("api: a batch from the command line keeps its statements, its key gets the sender's scope") {
  Fixture f;
  ingest::Batch batch;
  batch.key = ingest::IdempotencyKey{"uid:0-says-who", "k", Hash{}};
  batch.statements.emplace_back(codec::TypeStatement{{"account", {}}});
  const Buffer body = ingest::encode_batch(batch);
  REQUIRE(f.events(std::string(as_text(body)), "application/cbor").status == 200);
  REQUIRE(f.sink.batches[0].statements.size() == 1);
  REQUIRE(f.sink.batches[0].key->scope == "uid:" + std::to_string(os::effective_user_id()));
  REQUIRE(f.events("\x01garbage", "application/cbor").status == 400);
}

TEST_CASE("api: types and columns are read strictly and become statements") {
  Fixture f;
  const auto post = [&](const std::string& path, const std::string& body) {
    FakeRequest request("POST", path, body);
    return f.api.handle(request);
  };
  const std::string type =
      R"({"name":"account","fields":[{"name":"iban"},{"name":"age","kind":"number","required":true}]})";
  REQUIRE(post("/v1/types", type).status == 200);
  const auto& statement = std::get<codec::TypeStatement>(f.sink.batches[0].statements[0]);
  REQUIRE(statement.type.fields[1].kind == codec::ValueKind::kNumber);
  REQUIRE(daemon::parse_types(daemon::type_json(statement.type).dump()).value()[0] == statement.type);
  REQUIRE(post("/v1/columns", R"([{"name":"tenant","indexed":true}])").status == 200);
  REQUIRE_THAT(post("/v1/types", R"({"name":"a","feilds":[]})").body, ContainsSubstring("feilds"));
  REQUIRE_THAT(post("/v1/types", R"({"fields":[]})").body, ContainsSubstring("name: is missing"));
  REQUIRE(post("/v1/types", R"({"name":"a","fields":[{"name":"b","kind":"float"}]})").status == 400);
  const std::string sealed =
      "{\"name\":\"a\",\"fields\":[{\"name\":\"b\",\"protection\":\"sealed\",\"indexes\":[\"exact\",\"ngram(3)\"],"
      "\"accept_leak\":true}]}";
  REQUIRE(post("/v1/types", sealed).status == 200);
  const auto& rules = std::get<codec::TypeStatement>(f.sink.batches[2].statements[0]);
  REQUIRE(text_of(rules.type.fields[0].rule) == "sealed,exact,ngram(3),accept_leak");
  REQUIRE(daemon::parse_types(daemon::type_json(rules.type).dump()).value()[0] == rules.type);
  REQUIRE(post("/v1/types", R"({"name":"a","fields":[{"name":"b","indexes":["grams"]}]})").status == 400);
  REQUIRE(post("/v1/columns", R"({"name":"c","protection":"sealed","indexes":["exact"]})").status == 200);
  REQUIRE(post("/v1/columns", R"({"name":"t","required_since":"yesterday"})").status == 400);
  REQUIRE_THAT(post("/v1/types", R"({"name":"a","fields":[{"name":"b","name":"c"}]})").body,
               ContainsSubstring("twice"));
  REQUIRE(post("/v1/types", "nonsense").status == 400);
  REQUIRE(f.sink.batches.size() == 4);
}

TEST_CASE("api: health says poisoned and low disk") {
  Fixture f;
  FakeRequest request("GET", "/v1/healthz");
  REQUIRE_THAT(f.api.handle(request).body, ContainsSubstring("\"status\":\"ok\""));
  f.api.disk_low = [] { return true; };
  REQUIRE_THAT(f.api.handle(request).body, ContainsSubstring("\"degraded\",\"reasons\":[\"low_disk\"]"));
  f.sink.figures.poisoned = "fdatasync: Input/output error";
  REQUIRE(f.api.handle(request).status == 503);
  FakeRequest status("GET", "/v1/status");
  REQUIRE_THAT(f.api.handle(status).body, ContainsSubstring("\"poisoned\":\"fdatasync"));
}

TEST_CASE("api: status tells the limits, and what it tells is read back") {
  Fixture f;
  ingest::Limits limits;
  limits.event_size_bytes_max = 2048;
  limits.targets_max = 3;
  limits.batch_events_max = 100;
  limits.future_us_max = 7000000;
  f.api.set_limits(limits);
  FakeRequest status("GET", "/v1/status");
  const ingest::Limits told = daemon::parse_limits(f.api.handle(status).body).value();
  REQUIRE(told.event_size_bytes_max == 2048);
  REQUIRE(told.targets_max == 3);
  REQUIRE(told.batch_events_max == 100);
  REQUIRE(told.future_us_max == 7000000);
  REQUIRE(told.id_size_bytes_max == ingest::Limits().id_size_bytes_max);
  REQUIRE(daemon::parse_body_limit(f.api.handle(status).body).value() == daemon::HttpLimits().body_size_bytes_max);
  daemon::ServerFacts facts;
  facts.body_size_bytes_max = 1024;
  f.api.set_facts(facts);
  REQUIRE(daemon::parse_body_limit(f.api.handle(status).body).value() == 1024);
  REQUIRE(daemon::parse_body_limit("{}").value() == daemon::HttpLimits().body_size_bytes_max);
  REQUIRE_FALSE(daemon::parse_body_limit(R"({"limits":{"body_size_bytes_max":-1}})").ok());
  REQUIRE(daemon::parse_limits("{}").value().targets_max == ingest::Limits().targets_max);
  REQUIRE_FALSE(daemon::parse_limits("[]").ok());
  REQUIRE_FALSE(daemon::parse_limits(R"({"limits":{"targets_max":-1}})").ok());
  REQUIRE_FALSE(daemon::parse_limits(R"({"limits":{"targets_max":4294967296}})").ok());
}

TEST_CASE("api: retention and holds are for the writer's own user and root, and for nobody while there is no keeper") {
  Fixture f;
  for (const char* path : {"/v1/retention", "/v1/holds"}) {
    FakeRequest member("POST", path, "{}");
    member.peer_.process.uid = os::effective_user_id() + 1;
    member.peer_.process.same_group = true;
    REQUIRE(f.api.handle(member).status == 403);
    FakeRequest remote("POST", path, "{}");
    remote.peer_.local = false;
    REQUIRE(f.api.handle(remote).status == 401);
    FakeRequest owner("POST", path, "{}");
    REQUIRE(f.api.handle(owner).status == 503);
  }
  REQUIRE(f.sink.batches.empty());
}
