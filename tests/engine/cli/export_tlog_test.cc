// The real `khipu export-tlog`, against checkpoints that the test publishes itself with the writer's key: of any size.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/crypto/key_file.h"
#include "engine/snapshot/store.h"
#include "engine/tree/checkpoint_log.h"
#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"
#include "tests/support/shared.h"

using namespace khipu;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kEvents = 600;

struct Log : tests::LogRoot {
  std::string out = folder / "tlog";
  Log() {
    setenv("XDG_STATE_HOME", (folder / "state").c_str(), 1);
    std::string events;
    for (uint64_t i = 0; i < kEvents; ++i) {
      events += R"({"occurred_at":"2026-06-15T05:07:07Z","actor":{"type":"user","id":"u-1","fields":{}},"action":"A)" +
                std::to_string(i) + "\"}\n";
    }
    const tests::Ran ran = khipu({"append", root}, events);
    INFO(ran.err);
    REQUIRE(ran.exit == 0);
  }
  tests::Ran run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"export-tlog", root, out});
    return khipu(more);
  }
  // checkpoints.log: one publication with logs/ at this size.
  void publish(uint64_t size, const crypto::SigningKey* other = nullptr) const {
    auto directory = os::open_directory(root);
    REQUIRE(directory.ok());
    auto store = snapshot::Store::open(std::move(directory).value());
    REQUIRE(store.ok());
    const auto snapshot = (*store)->snapshot();
    REQUIRE(snapshot.ok());
    const auto hashes = (*snapshot)->hashes(TableId::kLogs);
    REQUIRE(hashes.ok());
    const auto logs = tree::root_at(size, **hashes);
    REQUIRE(logs.ok());
    auto keys = os::open_directory(root + ".keys");
    REQUIRE(keys.ok());
    const auto file = crypto::open_key_file(**keys, crypto::kSigningKeyFileName, crypto::KeyKind::kSigning);
    INFO((file.ok() ? "" : file.error().message));
    REQUIRE(file.ok());
    const auto key = crypto::signing_key(*file);
    REQUIRE(key.ok());
    std::ofstream log(root + "/checkpoints.log", std::ios::binary | std::ios::trunc);
    const auto note = [&](const std::string& origin, uint64_t rows, const Hash& root_hash) {
      tree::Note signed_note{tree::format_checkpoint({origin, rows, root_hash, {}}), {}};
      tree::sign_note(signed_note, origin, other != nullptr ? *other : *key);
      log << tree::format_published(signed_note);
    };
    note("test/log/logs", size, *logs);
    note("test/log", (*snapshot)->size(TableId::kMeta), (*snapshot)->root(TableId::kMeta));
  }
  std::string file(const std::string& name) const { return tests::file_text(fs::path(out) / name); }
};

Hash leaf(const std::string& tile, size_t index) {
  Hash hash{};
  std::copy_n(tile.begin() + static_cast<std::ptrdiff_t>(32 * index), 32, hash.begin());
  return hash;
}

}  // namespace

TEST_CASE("cli: export-tlog writes tiles that make the published root, and goes on when the log has grown") {
  const Log log;
  log.publish(300);
  REQUIRE(log.run().exit == 0);
  CHECK(log.file("tile/0/000").size() == 8192);
  CHECK(log.file("tile/0/001.p/44").size() == 44 * 32);
  CHECK(log.file("tile/1/000.p/1").size() == 32);
  CHECK_FALSE(fs::exists(log.out + "/tile/2"));
  CHECK_FALSE(fs::exists(log.out + "/tile/entries"));
  tree::Builder builder;
  for (size_t i = 0; i < 256; ++i) builder.append(leaf(log.file("tile/0/000"), i));
  CHECK(builder.root() == leaf(log.file("tile/1/000.p/1"), 0));
  for (size_t i = 0; i < 44; ++i) builder.append(leaf(log.file("tile/0/001.p/44"), i));
  const auto note = tree::parse_note(log.file("checkpoint"));
  REQUIRE(note.ok());
  const auto checkpoint = tree::parse_checkpoint(note->text);
  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->origin == "test/log/logs");
  CHECK(checkpoint->size == 300);
  CHECK(checkpoint->root == builder.root());

  const tests::Ran again = log.run();
  CHECK(again.exit == 0);
  CHECK(again.err.find("0 files written") != std::string::npos);
  const auto told = nlohmann::json::parse(log.run({"--json"}).out, nullptr, false);
  REQUIRE(told.is_object());
  CHECK(told["schema"] == "khipu.export-tlog/v1");
  CHECK(told["tree_size"] == 300);
  CHECK(told["files_written"] == 0);
  log.publish(kEvents);
  CHECK(log.run().exit == 0);
  CHECK(log.file("tile/0/002.p/88").size() == 88 * 32);
  CHECK(log.file("tile/0/001").substr(0, 44 * 32) == log.file("tile/0/001.p/44"));
  CHECK(log.file("checkpoint").find("\n600\n") != std::string::npos);
}

TEST_CASE("cli: export-tlog --entries gives the records of the leaves") {
  const Log log;
  log.publish(kEvents);
  REQUIRE(log.run({"--entries"}).exit == 0);
  const std::string bundle = log.file("tile/entries/002.p/88");
  size_t at = 0;
  for (size_t i = 0; i < 88; ++i) {
    REQUIRE(at + 2 <= bundle.size());
    const size_t size = static_cast<uint8_t>(bundle[at]) * 256U + static_cast<uint8_t>(bundle[at + 1]);
    REQUIRE(at + 2 + size <= bundle.size());
    CHECK(tree::leaf_hash(as_bytes(bundle).subspan(at + 2, size)) == leaf(log.file("tile/0/002.p/88"), i));
    at += 2 + size;
  }
  CHECK(at == bundle.size());
}

TEST_CASE("cli: export-tlog writes over no other past, heals what a crash cut, and asks for a checkpoint") {
  const Log log;
  fs::remove(log.root + "/checkpoints.log");
  const tests::Ran none = log.run();
  CHECK(none.exit == 3);
  CHECK(none.err.find("no checkpoint of logs has been published yet") != std::string::npos);
  const crypto::SigningKey stranger = crypto::SigningKey::generate();
  log.publish(300, &stranger);
  CHECK(log.run().err.find("sig-bad") != std::string::npos);
  CHECK_FALSE(fs::exists(log.out));
  log.publish(300);
  REQUIRE(log.run().exit == 0);
  fs::resize_file(log.out + "/tile/0/000", 100);
  CHECK(log.run().exit == 0);
  CHECK(log.file("tile/0/000").size() == 8192);
  std::fstream(log.out + "/tile/0/000", std::ios::binary | std::ios::in | std::ios::out).seekp(77).put('!');
  const tests::Ran changed = log.run();
  CHECK(changed.exit == 3);
  CHECK(changed.err.find("tile/0/000") != std::string::npos);
  CHECK(log.run({"--table", "access"}).exit == 3);
  CHECK(log.run({"--table", "nothing"}).exit == 3);
}

TEST_CASE("cli: export-tlog gives no tile away that does not make the hash above it") {
  const Log log;
  log.publish(300);
  std::fstream(log.root + "/logs/tree/0", std::ios::binary | std::ios::in | std::ios::out).seekp(5 * 32 + 3).put('!');
  const tests::Ran ran = log.run();
  CHECK(ran.exit != 0);
  CHECK_THAT(ran.err, ContainsSubstring("tile-mismatch: tile/0/000"));
  CHECK_FALSE(fs::exists(log.out + "/tile/0/000"));
  CHECK_FALSE(fs::exists(log.out + "/checkpoint"));
}
