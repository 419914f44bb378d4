// Deterministic events for benchmarks: about 400 bytes each, 10,000 actors, 100,000 targets, skewed, 6 actions, a url,
// small content; every 1,000th event renames its target. The same seed gives the same events to every engine measured.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "engine/ingest/event.h"

namespace khipu::bench {

struct PlainEvent {
  std::string actor, actor_name, target, target_name, action, url, content;
  int64_t occurred_at = 0;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  // Event i of those that name every actor and every target once, i < kTargets: the names are those of next().
  PlainEvent introduction(uint64_t i) {
    PlainEvent event = next();
    event.actor = "u-" + std::to_string(i % kActors);
    event.actor_name = "user number " + std::to_string(i % kActors);
    event.target = "acct-" + std::to_string(i);
    event.target_name = "account " + std::to_string(i);
    return event;
  }
  static constexpr uint64_t kActors = 10000, kTargets = 100000;

  PlainEvent next() {
    static constexpr const char* kActions[] = {"GET", "POST", "PUT", "DELETE", "LOGIN", "GRANT"};
    PlainEvent event;
    const uint64_t actor = skewed(kActors), target = skewed(kTargets);
    event.actor = "u-" + std::to_string(actor);
    event.actor_name = "user number " + std::to_string(actor);
    event.target = "acct-" + std::to_string(target);
    event.target_name = "account " + std::to_string(target);
    if (count_ % 1000 == 999) event.target_name += " renamed " + std::to_string(count_);
    event.action = kActions[random_() % 6];
    event.url = "/api/accounts/" + event.target + "/records/" + std::to_string(random_() % 1000);
    event.content = "{\"ip\":\"198.51.100." + std::to_string(random_() % 256) +
                    "\",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64)\",\"request\":\"" + std::to_string(random_()) +
                    "\",\"bytes\":" + std::to_string(random_() % 100000) + "}";
    // Sized so that the event as compact canonical JSON has about 400 bytes.
    event.occurred_at = 1750000000000000 + static_cast<int64_t>(count_) * 137;
    ++count_;
    return event;
  }

 private:
  uint64_t skewed(uint64_t count) {  // the square favours small numbers
    const double unit = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    return static_cast<uint64_t>(unit * unit * static_cast<double>(count));
  }
  std::mt19937_64 random_;
  uint64_t count_ = 0;
};

// The same event as append() makes, as one line of canonical JSON.
inline std::string compact_json(const PlainEvent& event) {
  return R"({"occurred_at":")" + format_rfc3339(event.occurred_at) + R"(","actor":{"type":"user","id":")" +
         event.actor + R"(","fields":{"name":")" + event.actor_name + R"("}},"action":")" + event.action +
         R"(","action_class":"update","outcome":"success","targets":[{"type":"resource","id":")" + event.target +
         R"(","fields":{"name":")" + event.target_name + R"("}}],"url":")" + event.url +
         R"(","source":"billing","content":)" + event.content + "}\n";
}

inline void append(ingest::Batch& batch, const PlainEvent& from) {
  ingest::Event event;
  const ingest::FieldInput actor_name{"name", false,
                                      codec::Value::of_text(batch.keep(std::string_view(from.actor_name)))};
  const ingest::FieldInput target_name{"name", false,
                                       codec::Value::of_text(batch.keep(std::string_view(from.target_name)))};
  event.actor = {"user", batch.keep(std::string_view(from.actor)), batch.keep(std::span(&actor_name, 1)), false};
  const ingest::EntityInput target{"resource", batch.keep(std::string_view(from.target)),
                                   batch.keep(std::span(&target_name, 1)), false};
  event.targets = batch.keep(std::span(&target, 1));
  event.action = batch.keep(std::string_view(from.action));
  event.action_class = codec::ActionClass::kUpdate;
  event.outcome = codec::Outcome::kSuccess;
  event.url = batch.keep(std::string_view(from.url));
  event.source = "billing";
  event.content_kind = codec::ContentKind::kJson;
  event.content = batch.keep(as_bytes(from.content));
  event.occurred_at = from.occurred_at;
  batch.events.push_back(event);
}

}  // namespace khipu::bench
