#include "engine/daemon/config.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/catch.h"

using namespace khipu;

namespace {

std::string refusal(const std::string& toml) {
  daemon::Config config;
  const Result<void> applied = daemon::apply_toml(toml, "k.toml", config);
  REQUIRE_FALSE(applied.ok());
  return applied.error().message;
}

}  // namespace

TEST_CASE("config: every kind of setting is applied") {
  daemon::Config config;
  REQUIRE(
      daemon::apply_toml("[writer]\nsync = \"group:10:20\"\nqueue_events_max = 7\n[http]\nlisten = \"127.0.0.1:0\"\n"
                         "insecure = true\n[limits]\nfuture_s = 5\n",
                         "k.toml", config)
          .ok());
  REQUIRE(config.writer.sync == writer::SyncPolicy::kGroup);
  REQUIRE(config.writer.group_events == 10);
  REQUIRE(config.writer.group_interval_us == 20000);
  REQUIRE(config.writer.queue_events_max == 7);
  REQUIRE(config.listen == "127.0.0.1:0");
  REQUIRE(config.insecure_http);
  REQUIRE(config.writer.limits.future_us_max == 5000000);
}

TEST_CASE("config: what is unknown or out of bounds is refused with its line, and changes nothing") {
  REQUIRE_THAT(refusal("[writer]\nqueue_events_maxx = 7\n"), ContainsSubstring("k.toml:2: there is no setting"));
  REQUIRE_THAT(refusal("[write]\nsync = \"os\"\n"), ContainsSubstring("no section write"));
  REQUIRE_THAT(refusal("[writer]\nqueue_events_max = 0\n"), ContainsSubstring("from 1 to"));
  REQUIRE_THAT(refusal("[writer]\nqueue_events_max = \"7\"\n"), ContainsSubstring("whole number"));
  REQUIRE_THAT(refusal("[writer]\nsync = \"sometimes\"\n"), ContainsSubstring("always, os or group"));
  REQUIRE_THAT(refusal("[http]\nlisten = \"localhost:80\"\n"), ContainsSubstring("numeric"));
  REQUIRE_THAT(refusal("[writer\n"), ContainsSubstring("k.toml:1"));
  daemon::Config config;
  REQUIRE_FALSE(daemon::apply_toml("[writer]\nqueue_events_max = 7\nnope = 1\n", "k.toml", config).ok());
  REQUIRE(config.writer.queue_events_max == writer::Options().queue_events_max);
}

TEST_CASE("config: sync policies and addresses, right and wrong") {
  writer::Options options;
  for (const char* text : {"always", "os", "group:1:0", "group:1000:5"}) {
    REQUIRE(daemon::apply_sync(text, options).ok());
    REQUIRE(daemon::sync_text(options) == text);
  }
  for (const char* text : {"", "group", "group:", "group:0:5", "group:5", "group:5:", "group:a:b", "Always"}) {
    REQUIRE_FALSE(daemon::apply_sync(text, options).ok());
  }
  REQUIRE(daemon::parse_endpoint("127.0.0.1:80").value().loopback);
  REQUIRE(daemon::parse_endpoint("[::1]:80").value().host == "::1");
  REQUIRE_FALSE(daemon::parse_endpoint("192.0.2.1:80").value().loopback);
  for (const char* text : {"", "80", ":80", "127.0.0.1", "127.0.0.1:65536", "::1:80", "localhost:80", "127.0.0.1:8a"}) {
    REQUIRE_FALSE(daemon::parse_endpoint(text).ok());
  }
}

TEST_CASE("config: the sample in examples/ is good and names every setting") {
  std::ifstream in(std::string(std::getenv("KHIPU_SOURCE")) + "/examples/khipu.toml");
  std::stringstream text;
  text << in.rdbuf();
  daemon::Config config;
  const Result<void> applied = daemon::apply_toml(text.str(), "examples/khipu.toml", config);
  REQUIRE((applied.ok() ? "" : applied.error().message) == std::string());
  std::istringstream help(daemon::settings_help());
  for (std::string line; std::getline(help, line);) {
    const size_t dot = line.find('.');
    const std::string key = line.substr(dot + 1, line.find(' ', dot) - dot - 1);
    REQUIRE_THAT(text.str(), ContainsSubstring(key + " = "));
  }
}
