// Protected values that a version repeats from the one before it: what somebody who holds the signing key, and no key
// of the values, might splice together from ciphertext that is in the log. Found without any key (engine/FORMAT.md
// "Records"); what is moved between fields or entities does not open either (tests/engine/protect/seal_test.cc).
#include "engine/codec/protected.h"
#include "tests/engine/verify/liar.h"

namespace khipu::tests {
namespace {

using Fields = std::vector<std::pair<std::string, codec::ProtectedValue>>;

// Sealed bytes of no key: nobody opens anything here.
codec::ProtectedValue sealed(uint8_t fill, std::optional<Row> origin = {}) {
  static std::vector<std::unique_ptr<Buffer>> kept;
  kept.push_back(std::make_unique<Buffer>(63, fill));
  codec::ProtectedValue value;
  value.value = *kept.back();
  value.fingerprint.emplace().fill(fill);
  value.origin = origin;
  return value;
}

// Two entities, each with a version that has an email, and one more of the first that has another.
struct Story {
  Story() {
    const std::vector<ForgedFrame> rows = rows_of(log.rig.disk(), segment_file(TableId::kRegistry, 0));
    next = rows.size();
    add("a", {{"email", sealed(1)}, {"phone", sealed(2)}});
    add("b", {{"email", sealed(3)}});
    add("a", {{"email", sealed(4)}, {"phone", sealed(2, Row{first("a")})}});
    sign_rows(log.rig, std::exchange(waiting, {}));
  }
  uint64_t first(const std::string& id) const { return versions.at(id).front(); }
  uint64_t newest(const std::string& id) const { return versions.at(id).back(); }

  void add(const std::string& id, const Fields& fields) {
    codec::VersionRecord version;
    version.uid[0] = static_cast<uint8_t>(next);
    version.uid[1] = 0x77;
    version.recorded_at = version.time = log.rig.clock().now() + static_cast<TimeUs>(next);
    version.type = "user";
    version.id = id;
    std::vector<uint64_t>& mine = versions[id];
    if (!mine.empty()) {
      version.entity = Row{mine.front()};
      version.previous = Row{mine.back()};
      version.version = mine.size();
    }
    Buffer encoded;
    std::vector<std::pair<size_t, size_t>> spans;
    for (const auto& [name, value] : fields) {
      const size_t from = encoded.size();
      codec::append_protected(encoded, value);
      spans.emplace_back(from, encoded.size() - from);
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      version.fields.push_back(
          {fields[i].first, codec::Value::of_protected(Bytes(encoded).subspan(spans[i].first, spans[i].second))});
    }
    waiting.push_back(signed_row(version));
    mine.push_back(next++);
  }
  // One more version of the first entity.
  void repeats(const Fields& fields) {
    add("a", fields);
    sign_rows(log.rig, std::exchange(waiting, {}));
  }

  // The same, and an event of hers that pins it: what a look at that event alone comes across.
  uint64_t repeats_in_event(const Fields& fields) {
    add("a", fields);
    const verify::Report before = log.rig.verify();
    codec::EventRecord event;
    event.uid[0] = 0x99;
    event.recorded_at = event.occurred_at = log.rig.clock().now() + 1000;
    event.actor = {Row{first("a")}, Row{newest("a")}};
    event.action = "PUT";
    waiting.push_back(signed_row(event));
    sign_rows(log.rig, std::exchange(waiting, {}));
    return before.sizes[index_of(TableId::kLogs)];
  }

  LiarLog log;
  std::map<std::string, std::vector<uint64_t>> versions;
  std::vector<SignedRow> waiting;
  uint64_t next = 0;
};

using Lie = std::function<Fields(const Story&)>;

TEST_CASE("liar: a protected value is spliced in as one that did not change") {
  const auto told = [](std::string_view what, const Lie& lie, bool found) {
    for (const bool incremental : {false, true}) {
      INFO(what << (incremental ? ", since a state" : ""));
      Story story;
      const verify::Options options = incremental ? story.log.since() : verify::Options();
      story.repeats(lie(story));
      if (found) {
        story.log.told("field-moved", incremental ? "protected value it repeats" : "not the one the version before has",
                       options);
      } else {
        const verify::Report report = story.log.rig.verify(options);
        INFO(describe(report));
        CHECK(report.verdict == verify::Verdict::kPass);
      }
    }
  };
  told(
      "what did not change",
      [](const Story& s) {
        return Fields{{"email", sealed(4, Row{s.newest("a")})}, {"phone", sealed(2, Row{s.first("a")})}};
      },
      false);
  told(
      "a new value, and one taken away",
      [](const Story&) {
        return Fields{{"email", sealed(9)}};
      },
      false);
  told(
      "the value of an older version",
      [](const Story& s) {
        return Fields{{"email", sealed(1, Row{s.first("a")})}, {"phone", sealed(2, Row{s.first("a")})}};
      },
      true);
  told(
      "the newest value, said to be of an older row",
      [](const Story& s) {
        return Fields{{"email", sealed(4, Row{s.first("a")})}};
      },
      true);
  told(
      "another field's",
      [](const Story& s) {
        return Fields{{"email", sealed(2, Row{s.first("a")})}};
      },
      true);
  told(
      "another entity's",
      [](const Story& s) {
        return Fields{{"email", sealed(3, Row{s.first("b")})}};
      },
      true);
  told(
      "bytes that are nowhere",
      [](const Story& s) {
        return Fields{{"email", sealed(8, Row{s.newest("a")})}};
      },
      true);
  told(
      "other tokens than the value has",
      [](const Story& s) {
        static const Buffer token(8, 5);
        codec::ProtectedValue value = sealed(4, Row{s.newest("a")});
        value.tokens[0] = token;
        value.indexes = 1;
        return Fields{{"email", value}};
      },
      true);
  told(
      "another fingerprint",
      [](const Story& s) {
        codec::ProtectedValue value = sealed(4, Row{s.newest("a")});
        value.fingerprint->fill(7);
        return Fields{{"email", value}};
      },
      true);
}

TEST_CASE("liar: a spliced value is found by a look at the rows, or the sample, that pin it") {
  const auto told = [](const Lie& lie, bool found) {
    for (const bool sampled : {false, true}) {
      INFO((sampled ? "sample" : "rows"));
      Story story;
      const uint64_t seq = story.repeats_in_event(lie(story));
      verify::Options options;
      if (sampled) options.sample = seq + 1;  // all of them
      if (!sampled) options.from_row = Row{seq}, options.to_row = Row{seq + 1};
      if (found) {
        story.log.told("field-moved", "protected value it repeats", options);
      } else {
        const verify::Report report = story.log.rig.verify(options);
        INFO(describe(report));
        CHECK(report.verdict == verify::Verdict::kPass);
      }
    }
  };
  told([](const Story& s) { return Fields{{"email", sealed(4, Row{s.newest("a")})}}; }, false);
  told([](const Story&) { return Fields{{"email", sealed(9)}}; }, false);
  told([](const Story& s) { return Fields{{"email", sealed(1, Row{s.first("a")})}}; }, true);
  told([](const Story& s) { return Fields{{"email", sealed(3, Row{s.first("b")})}}; }, true);
  told([](const Story& s) { return Fields{{"email", sealed(8, Row{s.newest("a")})}}; }, true);
}

}  // namespace
}  // namespace khipu::tests
