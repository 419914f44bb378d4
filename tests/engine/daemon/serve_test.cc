// The real `khipu serve` on a directory of its own: what a producer and an administrator meet.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/daemon/http.h"
#include "engine/writer/idempotency.h"
#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using Json = nlohmann::json;

namespace {

const std::string kEvent = R"({"actor":{"type":"user","id":"u-1"},"action":"login"})";

struct Log : tests::LogRoot {
  std::string program = tests::program("khipu");
  std::vector<std::string> serving(std::vector<std::string> more = {}) const {
    std::vector<std::string> command = {program, "serve", root};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  std::unique_ptr<daemon::HttpClient> client() const {
    return daemon::HttpClient::open_local(os::SocketPath::make(root, "ingest.sock").value());
  }
  Json status() const { return Json::parse(khipu({"status", root, "--json"}).out); }
};

daemon::HttpAnswer post(const Log& log, const std::string& body, const std::string& type = "application/json",
                        const std::vector<std::pair<std::string, std::string>>& headers = {},
                        const std::string& path = "/v1/events") {
  return log.client()->post(path, type, body, headers).value();
}

}  // namespace

TEST_CASE("serve: events and batches are answered with their seqs, refused ones leave nothing") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(Json::parse(post(log, kEvent).body)["first_seq"] == 0);
  const Json two = Json::parse(post(log, kEvent + "\n" + kEvent + "\n", "application/x-ndjson").body);
  REQUIRE(two["seqs"] == Json::array({1, 2}));
  REQUIRE(two["durable"] == true);
  const daemon::HttpAnswer bad =
      post(log, kEvent + "\n" + R"({"actor":{"type":"usr","id":"u"},"action":"a"})" + "\n", "application/x-ndjson");
  REQUIRE(bad.status == 400);
  REQUIRE(Json::parse(bad.body)["error"]["line"] == 2);
  REQUIRE_THAT(bad.body, ContainsSubstring("khipu types add"));
  REQUIRE(post(log, R"({"actor":{"type":"user","id":"u"},"action":"a","tenant":"x"})").status == 400);
  REQUIRE(log.rows() == 3);
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  struct stat gone {};
  REQUIRE(::stat((log.root + "/ingest.sock").c_str(), &gone) != 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("serve: a key answers the same body once, also after a restart, and another body 409") {
  const Log log;
  uint64_t first = 0;
  for (int start = 0; start < 2; ++start) {
    tests::Process writer(log.serving());
    REQUIRE(!writer.wait_for("serve ready").empty());
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Json receipt = Json::parse(post(log, kEvent, "application/json", {{"Idempotency-Key", "k-1"}}).body);
      REQUIRE(receipt["duplicate"] == (start + repeat > 0));
      if (start + repeat == 0) first = receipt["first_seq"].get<uint64_t>();
      REQUIRE(receipt["first_seq"] == first);
    }
    REQUIRE(post(log, kEvent + " ", "application/json", {{"Idempotency-Key", "k-1"}}).status == 409);
    const std::string ours = R"({"actor":{"type":"user","id":"u"},"action":"a","source":"s","event_id":"e-1"})";
    const Json by_id = Json::parse(post(log, ours, "application/json", {}, "/v1/events?idempotency=event_id").body);
    REQUIRE(by_id["duplicate"] == (start > 0));
    writer.signal(SIGINT);
    REQUIRE(writer.wait() == 0);
  }
  REQUIRE(log.rows() == 2);
}

TEST_CASE("serve: a second writer is refused at once, quoting who holds the lock (REFERENCE 8)") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  const tests::Ran second = tests::run(log.serving());
  REQUIRE(second.exit == 3);
  REQUIRE_THAT(second.err, ContainsSubstring("pid"));
  REQUIRE(post(log, kEvent).status == 200);  // and the first has kept its socket
}

TEST_CASE("serve: a second writer is refused also when somebody has removed LOCK and the socket") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(post(log, kEvent).status == 200);
  std::filesystem::remove(log.root + "/LOCK");
  std::filesystem::rename(log.root + "/ingest.sock", log.folder / "away.sock");
  const tests::Ran second = log.khipu({"append", log.root}, kEvent + "\n");
  REQUIRE(second.exit == 3);
  REQUIRE_THAT(second.err, ContainsSubstring("another process writes here"));
  std::filesystem::rename(log.folder / "away.sock", log.root + "/ingest.sock");
  REQUIRE(Json::parse(post(log, kEvent).body)["first_seq"] == 1);
}

TEST_CASE("serve: after a failed write the writer says why and ends with 3, and what it had acknowledged stands") {
  const Log log;
  // No file may grow beyond 128 KiB, and the signal that would come first is ignored: the write itself fails.
  tests::Process writer(
      {"/bin/sh", "-c", "trap '' 25; ulimit -f 256; exec \"$0\" serve \"$1\"", log.program, log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(post(log, kEvent).status == 200);
  const std::string large =
      R"({"actor":{"type":"user","id":"u-1"},"action":"login","content":")" + std::string(200 << 10, 'x') + R"("})";
  const daemon::HttpAnswer refused = post(log, large);
  REQUIRE(refused.status >= 500);
  REQUIRE_THAT(refused.body, ContainsSubstring("poisoned"));
  REQUIRE(writer.wait() == 3);
  REQUIRE_THAT(writer.errors(), ContainsSubstring("File too large"));
  REQUIRE(log.rows() == 1);
  tests::Process again(log.serving());
  REQUIRE(!again.wait_for("serve ready").empty());
  REQUIRE(Json::parse(post(log, kEvent).body)["first_seq"] == 1);
  again.signal(SIGTERM);
  REQUIRE(again.wait() == 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("serve: after a failed sync the writer says why and ends with 3, and nothing more is acknowledged") {
  const Log log;
  const std::string dying = log.folder / "dying";
  tests::Process writer({"/usr/bin/env", "LD_PRELOAD=" + tests::program("failing_sync.so"),
                         "KHIPU_FAILING_SYNC=" + dying, "ASAN_OPTIONS=verify_asan_link_order=0", log.program, "serve",
                         log.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(post(log, kEvent).status == 200);
  std::ofstream(dying) << "now";
  const daemon::HttpAnswer refused = post(log, kEvent);
  REQUIRE(refused.status >= 500);
  REQUIRE_THAT(refused.body, ContainsSubstring("poisoned"));
  REQUIRE(writer.wait() == 3);
  REQUIRE_THAT(writer.errors(), ContainsSubstring("Input/output error"));
  tests::Process again(log.serving());
  REQUIRE(!again.wait_for("serve ready").empty());
  const auto first = Json::parse(post(log, kEvent).body)["first_seq"].get<uint64_t>();
  REQUIRE((first == 1 || first == 2));  // what was not acknowledged is there whole or not at all
  again.signal(SIGTERM);
  REQUIRE(again.wait() == 0);
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("serve: a killed writer's socket is replaced by the next") {
  const Log log;
  {
    tests::Process writer(log.serving());
    REQUIRE(!writer.wait_for("serve ready").empty());
    REQUIRE(post(log, kEvent).status == 200);
    writer.signal(SIGKILL);
    REQUIRE(writer.wait() == 128 + SIGKILL);
  }
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(Json::parse(post(log, kEvent).body)["first_seq"] == 1);
}

TEST_CASE("serve: SIGTERM under load loses nothing that was acknowledged (REFERENCE 33)") {
  const Log log;
  tests::Process writer(log.serving());
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::atomic<uint64_t> acknowledged = 0;
  std::vector<std::thread> producers;
  for (int i = 0; i < 4; ++i) {
    producers.emplace_back([&] {
      const auto client = log.client();
      while (true) {
        const Result<daemon::HttpAnswer> answer = client->post("/v1/events", "application/json", kEvent, {});
        if (!answer.ok() || answer->status != 200) return;
        ++acknowledged;
      }
    });
  }
  while (acknowledged < 200) std::this_thread::yield();
  writer.signal(SIGTERM);
  for (std::thread& producer : producers) producer.join();
  REQUIRE(writer.wait() == 0);
  const uint64_t rows = log.rows();
  REQUIRE(rows >= acknowledged);
  REQUIRE(rows <= acknowledged + producers.size());  // committed, but its answer met a closed connection
  REQUIRE(log.khipu({"verify", log.root}).exit == 0);
}

TEST_CASE("serve: a full queue is 503 with Retry-After, and SIGTERM answers those who wait (REFERENCE 30)") {
  const Log log;
  std::ofstream(log.folder / "k.toml") << "[writer]\nqueue_events_max = 2\nsync = \"group:100000:60000\"\n";
  tests::Process writer(log.serving({"--config", log.folder / "k.toml"}));
  REQUIRE(!writer.wait_for("serve ready").empty());
  int status = 0;  // of the two events that fill the queue and wait a minute for company
  std::thread waiting([&] { status = post(log, kEvent + "\n" + kEvent + "\n", "application/x-ndjson").status; });
  const auto client = log.client();
  while (Json::parse(client->get("/v1/status").value().body)["queued_events"] != 2) std::this_thread::yield();
  const daemon::HttpAnswer answer = client->post("/v1/events", "application/json", kEvent, {}).value();
  writer.signal(SIGTERM);
  waiting.join();
  REQUIRE(answer.status == 503);
  REQUIRE_THAT(answer.body, ContainsSubstring("\"busy\""));
  REQUIRE(status == 200);
  REQUIRE(writer.wait() == 0);
  REQUIRE(log.rows() == 2);
}

TEST_CASE("serve: SIGHUP takes new tokens and settings, a broken file changes nothing (REFERENCE 32)") {
  const Log log;
  const std::string config = log.folder / "k.toml";
  std::ofstream(config) << "[writer]\nsync = \"always\"\n";
  tests::Process writer(log.serving({"--config", config, "--http", "127.0.0.1:0"}));
  const std::string ready = writer.wait_for("serve ready");
  const size_t from = ready.find("http=\"127.0.0.1:") + 16;
  const std::string url = "http://127.0.0.1:" + ready.substr(from, ready.find('"', from) - from) + "/v1/events";
  const auto status = [&](const std::string& token) {
    return tests::run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json",
                       "-H", "Authorization: Bearer " + token, "-d", kEvent, url});
  };
  const tests::Ran none = status("khp_none");
  if (none.exit == 127) SKIP("curl is not installed");
  REQUIRE(none.out == "401");
  std::string token = log.khipu({"token", "add", log.root, "ci"}).out;
  token.pop_back();
  REQUIRE(status(token).out == "401");  // not yet reloaded
  writer.signal(SIGHUP);
  REQUIRE_THAT(writer.wait_for("reload"), ContainsSubstring("reload done"));
  REQUIRE(status(token).out == "200");
  REQUIRE(log.khipu({"token", "revoke", log.root, "ci"}).exit == 0);
  std::ofstream(config) << "[writer]\nsync = \"never\"\n";
  writer.signal(SIGHUP);
  REQUIRE_THAT(writer.wait_for("reload"), ContainsSubstring("nothing changed"));
  REQUIRE(status(token).out == "200");  // not even the half that was good
  std::ofstream(config) << "[writer]\nsync = \"os\"\n";
  writer.signal(SIGHUP);
  REQUIRE_THAT(writer.wait_for("reload"), ContainsSubstring("reload done"));
  REQUIRE(status(token).out == "401");
  REQUIRE_THAT(log.client()->get("/v1/status").value().body, ContainsSubstring("\"sync\":\"os\""));
}

TEST_CASE("serve: the idempotency window that was read last is the one that is kept at the stop") {
  const Log log;
  const std::string config = log.folder / "k.toml";
  std::ofstream(config) << "[writer]\nidempotency_window_s = 3600\n";
  tests::Process writer(log.serving({"--config", config}));
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::ofstream(config) << "[writer]\nidempotency_window_s = 604800\n";
  writer.signal(SIGHUP);
  REQUIRE_THAT(writer.wait_for("reload"), ContainsSubstring("reload done"));
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
  const auto root = os::open_directory(log.root);
  REQUIRE(root.ok());
  CHECK(writer::IdempotencyLog::load(**root, 0).value().bounds.window_us == 604800LL * 1000000);
}

TEST_CASE("serve: a reload warns of a changed setting that only a start reads") {
  const Log log;
  const std::string config = log.folder / "k.toml";
  std::ofstream(config) << "[writer]\nsegment_size_bytes = 65536\n";
  tests::Process writer(log.serving({"--config", config}));
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::ofstream(config) << "[writer]\nsegment_size_bytes = 131072\n";
  writer.signal(SIGHUP);
  const std::string warned = writer.wait_for("reload");
  CHECK_THAT(warned, ContainsSubstring("segment_size_bytes takes effect at the next start"));
  CHECK_THAT(writer.wait_for("reload"), ContainsSubstring("reload done"));
  std::ofstream(config) << "[writer]\nsegment_size_bytes = 131072\n[http]\ninsecure = true\n";
  writer.signal(SIGHUP);
  CHECK_THAT(writer.wait_for("reload"), ContainsSubstring("changes in [http] take effect at the next start"));
}

TEST_CASE("serve: connections that the limit of open files cannot hold are refused at start, a soft one is raised") {
  const Log log;
  const std::string config = log.folder / "k.toml";
  std::ofstream(config) << "[http]\nconnections_max = 300\n";
  const auto limited = [&](const std::string& limits) {
    return std::vector<std::string>{
        "sh", "-c", "ulimit " + limits + "; exec \"$@\"", "sh", log.program, "serve", log.root, "--config", config};
  };
  const tests::Ran refused = tests::run(limited("-n 700"));
  CHECK(refused.exit == 3);
  CHECK_THAT(refused.err, ContainsSubstring("connections_max = 300") && ContainsSubstring("LimitNOFILE"));
  tests::Process writer(limited("-Sn 50; ulimit -Hn 1000"));
  REQUIRE(!writer.wait_for("serve ready").empty());
  std::ifstream limits("/proc/" + std::to_string(writer.pid()) + "/limits");
  const std::string text{std::istreambuf_iterator<char>(limits), {}};
  if (!text.empty()) CHECK_THAT(text, ContainsSubstring("Max open files            1000                 1000"));
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
}

TEST_CASE("serve: its supervisor is told when it is ready and when it stops") {
  const Log log;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = log.folder / "notify";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const auto next = [&] {
    char buffer[256];
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
    return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  };
  std::vector<std::string> command = log.serving();
  command.insert(command.begin(), {"env", "NOTIFY_SOCKET=" + path});
  tests::Process writer(command);
  REQUIRE(!writer.wait_for("serve ready").empty());
  REQUIRE(next() == "READY=1");
  writer.signal(SIGTERM);
  REQUIRE(next() == "STOPPING=1");
  REQUIRE(writer.wait() == 0);
  ::close(socket);
}

TEST_CASE("serve: a folder without a log is told with the command that makes one") {
  const tests::TempDirectory folder;
  const std::string empty = folder / "empty";
  std::filesystem::create_directory(empty);
  const tests::Ran ran = tests::run({tests::program("khipu"), "serve", empty});
  REQUIRE(ran.exit == 3);
  REQUIRE_THAT(ran.err, ContainsSubstring("holds no log; `khipu init " + empty + "` makes one"));
}

TEST_CASE("serve: beyond loopback it wants a token and a word about plain HTTP") {
  const Log log;
  REQUIRE_THAT(tests::run(log.serving({"--http", "0.0.0.0:0"})).err, ContainsSubstring("token add"));
  REQUIRE(log.khipu({"token", "add", log.root, "a"}).exit == 0);
  const tests::Ran plain = tests::run(log.serving({"--http", "0.0.0.0:0"}));
  REQUIRE(plain.exit == 3);
  REQUIRE_THAT(plain.err, ContainsSubstring("--insecure-http"));
  REQUIRE(tests::run(log.serving({"--http", "localhost:1"})).exit == 3);
  REQUIRE(tests::run(log.serving({"--sync", "never"})).exit == 3);
}
