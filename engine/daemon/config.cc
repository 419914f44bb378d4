#include "engine/daemon/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <functional>
#include <span>

#include "engine/ingest/validate.h"

namespace khipu::daemon {
namespace {

// A whole-number setting: its place in the file, what it means, its bounds, where it goes.
struct NumberSetting {
  std::string_view section, key, help;
  uint64_t least, most;
  std::function<uint64_t(const Config&)> get;
  std::function<void(Config&, uint64_t)> set;
};

template <typename T>
NumberSetting number(std::string_view section, std::string_view key, std::string_view help, uint64_t least,
                     uint64_t most, std::function<T&(Config&)> place, uint64_t unit = 1) {
  return {section,
          key,
          help,
          least,
          most,
          [place, unit](const Config& config) {
            return static_cast<uint64_t>(place(const_cast<Config&>(config))) / unit;  // place() only names the member
          },
          [place, unit](Config& config, uint64_t value) { place(config) = static_cast<T>(value * unit); }};
}

const std::vector<NumberSetting>& numbers() {
  constexpr uint64_t kMiB = 1 << 20;
  using C = Config&;
  static const std::vector<NumberSetting> all = {
      number<uint64_t>("writer", "segment_size_bytes", "a segment is sealed when it reaches this; read at start",
                       64 << 10, 1024 * kMiB, [](C c) -> uint64_t& { return c.writer.segment_size_bytes; }),
      number<uint64_t>("writer", "queue_events_max", "events waiting for a commit; more are answered 503", 1, 10000000,
                       [](C c) -> uint64_t& { return c.writer.queue_events_max; }),
      number<uint64_t>("writer", "queue_size_bytes_max", "bytes of waiting events; more are answered 503", 1 << 10,
                       65536 * kMiB, [](C c) -> uint64_t& { return c.writer.queue_size_bytes_max; }),
      number<uint64_t>("writer", "idempotency_keys_max", "how many keys are remembered", 1, 1ULL << 26,
                       [](C c) -> uint64_t& { return c.writer.idempotency_keys_max; }),
      number<int64_t>(
          "writer", "idempotency_window_s", "how long a key is remembered, seconds", 1, 31 * 86400,
          [](C c) -> int64_t& { return c.writer.idempotency_window_us; }, 1000000),
      number<uint32_t>("writer", "drain_ms", "how long SIGTERM lets running requests finish, milliseconds", 0, 600000,
                       [](C c) -> uint32_t& { return c.drain_ms; }),
      number<int64_t>(
          "retention", "interval_s", "how often the policies are enforced, seconds", 1, 31 * 86400,
          [](C c) -> int64_t& { return c.retention.interval_us; }, 1000000),
      number<int64_t>(
          "retention", "wait_s", "how long readers of older states are waited for before files go, seconds", 0, 86400,
          [](C c) -> int64_t& { return c.retention.wait_us; }, 1000000),
      number<uint64_t>("http", "body_size_bytes_max", "largest body; larger is answered 413", 1 << 10, 1024 * kMiB,
                       [](C c) -> uint64_t& { return c.http.body_size_bytes_max; }),
      number<uint32_t>("http", "connections_max", "open connections of a listener; beyond, idle ones end, or 503", 1,
                       10000, [](C c) -> uint32_t& { return c.http.connections_max; }),
      number<uint32_t>("http", "request_time_ms", "from a request's first byte to its last, milliseconds", 100, 3600000,
                       [](C c) -> uint32_t& { return c.http.request_time_ms; }),
      number<uint32_t>("http", "idle_time_ms", "how long a connection may wait for a request, milliseconds", 1000,
                       3600000, [](C c) -> uint32_t& { return c.http.idle_time_ms; }),
      number<uint32_t>("limits", "event_size_bytes_max", "content and all texts of one event", 1 << 10, 15 * kMiB,
                       [](C c) -> uint32_t& { return c.writer.limits.event_size_bytes_max; }),
      number<uint32_t>("limits", "targets_max", "targets of one event", 1, 4096,
                       [](C c) -> uint32_t& { return c.writer.limits.targets_max; }),
      number<uint32_t>("limits", "fields_max", "fields of one entity", 1, 4096,
                       [](C c) -> uint32_t& { return c.writer.limits.fields_max; }),
      number<uint32_t>("limits", "id_size_bytes_max", "an entity's id", 16, 65536,
                       [](C c) -> uint32_t& { return c.writer.limits.id_size_bytes_max; }),
      number<uint32_t>("limits", "text_size_bytes_max", "an event's url", 1 << 10, kMiB,
                       [](C c) -> uint32_t& { return c.writer.limits.text_size_bytes_max; }),
      number<uint32_t>("limits", "batch_events_max", "events of one batch", 1, 100000,
                       [](C c) -> uint32_t& { return c.writer.limits.batch_events_max; }),
      number<int64_t>(
          "limits", "future_s", "how far occurred_at may lie ahead of this clock, seconds", 0, 366 * 86400,
          [](C c) -> int64_t& { return c.writer.limits.future_us_max; }, 1000000),
  };
  return all;
}

Error wrong(std::string_view name, const toml::node& node, const std::string& what) {
  return {Code::kInvalid, std::string(name) + ":" + std::to_string(node.source().begin.line) + ": " + what};
}

Result<void> apply_number(const NumberSetting& setting, std::string_view name, const toml::node& node, Config& config) {
  const std::optional<int64_t> value = node.is_integer() ? node.value<int64_t>() : std::nullopt;
  if (!value || *value < 0 || static_cast<uint64_t>(*value) < setting.least ||
      static_cast<uint64_t>(*value) > setting.most) {
    return wrong(name, node,
                 std::string(setting.section) + "." + std::string(setting.key) + " must be a whole number from " +
                     std::to_string(setting.least) + " to " + std::to_string(setting.most));
  }
  setting.set(config, static_cast<uint64_t>(*value));
  return {};
}

// [retention] max_age, max_bytes: of logs; access_max_age, access_max_bytes: of access.
retention::Policy* policy_of(std::string_view section, std::string_view key, Config& config) {
  if (section != "retention") return nullptr;
  if (key == "max_age" || key == "max_bytes") return &config.retention.logs;
  if (key == "access_max_age" || key == "access_max_bytes") return &config.retention.access;
  return nullptr;
}

Result<void> apply_limit(std::string_view key, std::string_view text, retention::Policy& policy) {
  if (key.ends_with("max_age")) {
    KHIPU_TRY_ASSIGN(policy.max_age_s, retention::parse_age(text));
  } else {
    KHIPU_TRY_ASSIGN(policy.max_bytes, retention::parse_bytes(text));
  }
  return {};
}

Result<void> apply_key(std::string_view section, std::string_view key, std::string_view name, const toml::node& node,
                       Config& config) {
  for (const NumberSetting& setting : numbers()) {
    if (setting.section == section && setting.key == key) return apply_number(setting, name, node, config);
  }
  const std::string full = std::string(section) + "." + std::string(key);
  if (retention::Policy* const policy = policy_of(section, key, config)) {
    const std::optional<std::string> text = node.is_string() ? node.value<std::string>() : std::nullopt;
    if (!text) return wrong(name, node, full + " must be a string such as \"30d\" or \"10GiB\"");
    const Result<void> applied = apply_limit(key, *text, *policy);
    return applied.ok() ? Result<void>() : wrong(name, node, full + ": " + applied.error().message);
  }
  if (full == "writer.sync" || full == "http.listen") {
    const std::optional<std::string> text = node.is_string() ? node.value<std::string>() : std::nullopt;
    if (!text) return wrong(name, node, full + " must be a string");
    if (full == "writer.sync") {
      const Result<void> applied = apply_sync(*text, config.writer);
      return applied.ok() ? Result<void>() : wrong(name, node, applied.error().message);
    }
    const Result<Endpoint> endpoint = parse_endpoint(*text);
    if (!endpoint.ok()) return wrong(name, node, endpoint.error().message);
    config.listen = *text;
    return {};
  }
  if (full == "http.insecure") {
    if (!node.is_boolean()) return wrong(name, node, "http.insecure must be true or false");
    config.insecure_http = *node.value<bool>();
    return {};
  }
  return wrong(name, node, "there is no setting " + full + "; `khipu serve --help` lists them");
}

bool parse_number(std::string_view text, uint64_t least, uint64_t most, uint64_t& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size() && into >= least && into <= most;
}

}  // namespace

Result<void> apply_toml(std::string_view text, std::string_view name, Config& config) {
  Config changed = config;
  try {
    const toml::table table = toml::parse(text, name);
    for (const auto& [section, content] : table) {
      const std::string_view title = section.str();
      if (!content.is_table() || (title != "writer" && title != "http" && title != "limits" && title != "retention")) {
        return wrong(
            name, content,
            "there is no section " + std::string(title) + "; there are [writer], [retention], [http], [limits]");
      }
      for (const auto& [key, node] : *content.as_table()) KHIPU_TRY(apply_key(title, key.str(), name, node, changed));
    }
  } catch (const toml::parse_error& error) {
    return Error{Code::kInvalid, std::string(name) + ":" + std::to_string(error.source().begin.line) + ": " +
                                     std::string(error.description())};
  }
  config = std::move(changed);
  return {};
}

Result<void> apply_sync(std::string_view text, writer::Options& options) {
  if (text == "always" || text == "os") {
    options.sync = text == "os" ? writer::SyncPolicy::kOs : writer::SyncPolicy::kAlways;
    return {};
  }
  const size_t colon = text.rfind(':');
  uint64_t events = 0;
  uint64_t interval_ms = 0;
  if (text.starts_with("group:") && colon > 6 && parse_number(text.substr(6, colon - 6), 1, 100000, events) &&
      parse_number(text.substr(colon + 1), 0, 60000, interval_ms)) {
    options.sync = writer::SyncPolicy::kGroup;
    options.group_events = static_cast<uint32_t>(events);
    options.group_interval_us = static_cast<int64_t>(interval_ms) * 1000;
    return {};
  }
  return Error{Code::kInvalid,
               "sync must be always, os or group:N:MS (N events, 1 to 100000; MS milliseconds, 0 to 60000)"};
}

std::string sync_text(const writer::Options& options) {
  switch (options.sync) {
    case writer::SyncPolicy::kAlways: return "always";
    case writer::SyncPolicy::kOs: return "os";
    case writer::SyncPolicy::kGroup: break;
  }
  return "group:" + std::to_string(options.group_events) + ":" + std::to_string(options.group_interval_us / 1000);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const Error wrong_form{Code::kInvalid,
                         "the address must be a numeric ADDRESS:PORT such as 127.0.0.1:7340 or [::1]:7340"};
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong_form;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong_form;
  }
  uint64_t port = 0;
  if (!ingest::is_ip_address(host) || !parse_number(text.substr(colon + 1), 0, 65535, port)) return wrong_form;
  return Endpoint{std::string(host), static_cast<uint16_t>(port), host == "::1" || host.starts_with("127.")};
}

std::string settings_help() {
  const Config defaults;
  std::string text =
      "  writer.sync                  when a commit is synced: always, group:N:MS or os; default " +
      sync_text(defaults.writer) +
      "\n  http.listen                  ADDRESS:PORT for producers with tokens; default none"
      "\n  http.insecure                true allows plain HTTP beyond loopback; default false"
      "\n  retention.max_age            \"30d\": sealed segments of older events go; default keep for ever"
      "\n  retention.max_bytes          \"10GiB\": the oldest go until logs is within it; default no bound"
      "\n  retention.access_max_age     the same for the access log; default keep for ever"
      "\n  retention.access_max_bytes   the same for the access log; default no bound\n";
  for (const NumberSetting& setting : numbers()) {
    std::string name = std::string(setting.section) + "." + std::string(setting.key);
    name.resize(std::max<size_t>(name.size(), 28), ' ');
    text += "  " + name + " " + std::string(setting.help) + "; default " + std::to_string(setting.get(defaults)) +
            ", " + std::to_string(setting.least) + " to " + std::to_string(setting.most) + "\n";
  }
  return text;
}

}  // namespace khipu::daemon
