// audit_verify since the last pass, against a checkpoint, and when it takes longer than a call may.
#include "mcp/tools/verify_job.h"

#include <array>
#include <condition_variable>
#include <thread>

#include "engine/crypto/key_file.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/tree/tree.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

std::string signed_note(Desk& desk, uint64_t size, const Hash& root) {
  const crypto::Key key = crypto::parse_key(desk.log.disk().read("keys/signing.key")).value();
  tree::Note note;
  note.text = tree::format_checkpoint({key.name + "/logs", size, root, {}});
  tree::sign_note(note, key.name + "/logs", crypto::signing_key(key).value());
  return tree::format_note(note);
}

// A root that nothing is read from before it is opened.
class GatedRoot final : public os::Directory {
 public:
  explicit GatedRoot(os::Directory& inner) : inner_(inner) {}
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  Result<std::unique_ptr<os::File>> open_file(std::string_view name, os::Mode mode, unsigned bits) override {
    return pass().open_file(name, mode, bits);
  }
  Result<std::unique_ptr<os::Directory>> open_directory(std::string_view name) override {
    return pass().open_directory(name);
  }
  Result<void> make_directory(std::string_view name, unsigned bits) override {
    return pass().make_directory(name, bits);
  }
  Result<void> rename(std::string_view from, std::string_view to) override { return pass().rename(from, to); }
  Result<void> unlink(std::string_view name) override { return pass().unlink(name); }
  Result<std::vector<os::Entry>> list() override { return pass().list(); }
  Result<std::optional<os::Entry>> stat(std::string_view name) override { return pass().stat(name); }
  Result<void> sync() override { return pass().sync(); }
  const std::string& path() const override { return inner_.path(); }

 private:
  os::Directory& pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_; });
    return inner_;
  }
  os::Directory& inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

}  // namespace

TEST_CASE("verify: since the last pass, and against a checkpoint the caller kept") {
  Desk desk;
  for (const char* action : {"FIRST", "SECOND", "THIRD"}) desk.log.add({.action = action});
  const OrderedJson first = desk.good("audit_verify", {{"scope", "since_last"}});
  CHECK(first.at("verdict") == "pass");
  CHECK(first.at("scope") == "full");
  desk.log.add({.action = "FOURTH"});
  const OrderedJson second = desk.good("audit_verify", {{"scope", "since_last"}});
  CHECK(second.at("verdict") == "pass");
  CHECK(second.at("scope") == "since");
  CHECK(second.at("since").at("commit").is_number());
  // The state is the server's own: it is nothing that the caller kept.
  CHECK(second.at("basis") == first.at("basis"));
  CHECK(second.at("does_not_show") == desk.good("audit_verify", {{"scope", "full"}}).at("does_not_show"));
  const Hash root = tree::leaf_hash(as_bytes("another past"));
  const OrderedJson fork = desk.good("audit_verify", {{"against", signed_note(desk, 2, root)}});
  CHECK(fork.at("verdict") == "fail");
  CHECK(fork.at("first_break").at("code") == "fork");
  CHECK(fork.at("first_break").at("signed_heads").at(0).at(1) == "2");
  const OrderedJson rollback = desk.good("audit_verify", {{"against", signed_note(desk, 5000, root)}});
  CHECK(rollback.at("first_break").at("code") == "rollback");
  const std::string good = signed_note(desk, 0, tree::empty_root());
  const OrderedJson extended = desk.good("audit_verify", {{"against", good}});
  CHECK(extended.at("verdict") == "pass");
  CHECK(extended.at("basis").back() == "caller_supplied_checkpoint");
  CHECK(desk.bad("audit_verify", {{"against", "yesterday"}}).at("code") == "INVALID_ARGUMENT");
  const OrderedJson none = desk.bad("audit_verify", {{"against", "4000000"}});
  CHECK(none.at("code") == "NOT_FOUND");
  CHECK(none.at("field") == "against");
  const OrderedJson no_note = desk.bad("audit_verify", {{"against", "x\ny"}});
  CHECK(no_note.at("code") == "INVALID_ARGUMENT");
  CHECK(no_note.at("field") == "against");
  const OrderedJson behind = desk.bad("audit_verify", {{"scope", "range"}, {"from_seq", 4000}});
  CHECK(behind.at("code") == "INVALID_ARGUMENT");
  CHECK(behind.at("field") == "from_seq");
  CHECK_THAT(behind.at("hint").get<std::string>(), ContainsSubstring("which has 4 events"));
  const OrderedJson over = desk.bad("audit_verify", {{"scope", "range"}, {"from_seq", 0}, {"to_seq", 9000}});
  CHECK(over.at("code") == "INVALID_ARGUMENT");
  CHECK(over.at("field") == "to_seq");
}

TEST_CASE("verify: a check that takes longer goes on, and the same call waits for its verdict") {
  Desk desk;
  for (const char* action : {"FIRST", "SECOND"}) desk.log.add({.action = action});
  tools::VerifyJob job(desk.log.store().root());
  using Kind = tools::VerifyJob::Outcome::Kind;
  CHECK(job.wait("a", {}, 0, desk.context).kind == Kind::kUnderWay);
  CHECK(job.wait("b", {}, 0, desk.context).kind == Kind::kUnderWay);  // nobody waits for the first any more
  const tools::VerifyJob::Outcome outcome = job.wait("b", {}, 60'000, desk.context);
  REQUIRE(outcome.kind == Kind::kDone);
  REQUIRE(outcome.report->ok());
  CHECK(outcome.report->value().verdict == verify::Verdict::kPass);
  desk.context.cancel();
  CHECK(job.wait("c", {}, 60'000, desk.context).kind == Kind::kUnderWay);
}

TEST_CASE("verify: so many calls wait as may, one more is BUSY at once, and the others have their verdict") {
  Desk desk;
  desk.log.add({.action = "FIRST"});
  GatedRoot root(desk.log.store().root());
  tools::VerifyJob job(root, 2);
  using Kind = tools::VerifyJob::Outcome::Kind;
  std::array<Kind, 2> kinds{};
  std::atomic<int> waiting = 0;
  std::vector<std::thread> callers;
  for (size_t i = 0; i < 2; ++i) {
    callers.emplace_back([&, i] {
      FakeContext context;
      context.on_progress = [&, told = false]() mutable {
        if (!std::exchange(told, true)) ++waiting;
      };
      kinds[i] = job.wait("a", {}, 60'000, context).kind;
    });
  }
  while (waiting < 2) std::this_thread::yield();
  CHECK(job.wait("a", {}, 60'000, desk.context).kind == Kind::kBusy);
  root.open();
  for (std::thread& caller : callers) caller.join();
  CHECK(kinds[0] == Kind::kDone);
  CHECK(kinds[1] == Kind::kDone);
}

TEST_CASE("verify: what one caller asked for goes on whatever others ask, and two go on at once") {
  Desk desk;
  desk.log.add({.action = "FIRST"});
  GatedRoot root(desk.log.store().root());
  tools::VerifyJob job(root, 4);
  using Kind = tools::VerifyJob::Outcome::Kind;
  FakeContext alice, bob, carol;
  alice.caller_.id = "token:alice";
  bob.caller_.id = "token:bob";
  carol.caller_.id = "token:carol";
  CHECK(job.wait("a", {}, 0, alice).kind == Kind::kUnderWay);
  CHECK(job.wait("b", {}, 0, bob).kind == Kind::kUnderWay);
  CHECK(job.wait("c", {}, 0, carol).kind == Kind::kBusy);
  CHECK(job.wait("a", {}, 0, alice).kind == Kind::kUnderWay);
  CHECK(job.wait("a", {}, 0, carol).kind == Kind::kUnderWay);  // the same question: the same answer
  root.open();
  CHECK(job.wait("a", {}, 60'000, alice).kind == Kind::kDone);
  CHECK(job.wait("b", {}, 60'000, bob).kind == Kind::kDone);
  CHECK(job.wait("a", {}, 60'000, carol).kind == Kind::kDone);
  CHECK(job.wait("c", {}, 60'000, carol).kind == Kind::kDone);
}
