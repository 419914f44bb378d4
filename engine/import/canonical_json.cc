#include "engine/import/canonical_json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "engine/base/time.h"
#include "engine/ingest/json_scan.h"
#include "engine/ingest/near_name.h"

namespace khipu::import {
namespace {

using codec::Value;
using ingest::ColumnInput;
using ingest::EntityInput;
using ingest::Event;
using ingest::FieldInput;

enum Member : uint8_t {
  kOccurredAt,
  kActor,
  kAction,
  kMethod,
  kActionClass,
  kOutcome,
  kTargets,
  kUrl,
  kSource,
  kSourceIp,
  kEventId,
  kSession,
  kOnBehalfOf,
  kContent,
  kCustom,
  kMemberCount
};
constexpr std::array<std::string_view, kMemberCount> kMembers = {
    "occurred_at", "actor",     "action",   "method",  "action_class", "outcome", "targets", "url",
    "source",      "source_ip", "event_id", "session", "on_behalf_of", "content", "custom"};
// A log has fewer columns, as each is defined by hand; an event names each once.
constexpr size_t kColumnsMax = 4096;
constexpr std::array<std::string_view, 4> kEntityMembers = {"type", "id", "fields", "deleted"};
constexpr std::array<std::string_view, 9> kClasses = {"other",  "auth",      "read",   "create",     "update",
                                                      "delete", "privilege", "config", "log_control"};
constexpr std::array<std::string_view, 4> kOutcomes = {"unknown", "success", "failure", "denied"};

size_t find(std::string_view name, std::span<const std::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return i;
  }
  return names.size();
}

std::string list(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

const char* kind_name(char first) {
  switch (first) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return "a number";
  }
}

// One event. Functions return false after fail(); each level then puts its name in front of the path.
class Parser {
 public:
  Parser(ingest::Batch& batch, const ingest::Limits& limits, size_t inputs_max = SIZE_MAX)
      : scan_({}), batch_(batch), limits_(limits), inputs_left_(inputs_max) {}

  // Parses one text; used for many, its vectors stop allocating.
  bool run(std::string_view text_of_event) {
    scan_ = ingest::JsonScanner(text_of_event);
    path_.clear();
    message_.clear();
    Event event;
    uint32_t seen = 0;
    const bool ok = object([&](std::string_view name) { return member(event, name, seen); });
    if (!ok) return false;
    if (!scan_.at_end()) return fail("more text after the object: one event a line");
    if ((seen & 1U << kActor) == 0) return fail("'actor' is missing: who did it, {\"type\":...,\"id\":...}");
    if ((seen & (1U << kAction | 1U << kMethod)) == 0) return fail("'action' is missing: what was done");
    batch_.events.push_back(event);
    return true;
  }

  std::string path_;
  std::string message_;

 private:
  bool fail(std::string message) {
    if (message_.empty()) message_ = std::move(message);
    return false;
  }
  bool syntax(const char* otherwise) {
    const char* why = *scan_.why() != 0 ? scan_.why() : otherwise;
    return fail("not JSON at byte " + std::to_string(scan_.offset()) + ": " + why);
  }
  bool expected(const char* what) {
    const char next = scan_.peek();
    std::string_view raw;
    if (auto ahead = scan_; next != 0 && !ahead.value(raw))
      return fail(std::string("expected ") + what + "; this is not JSON");
    if (next == 'n') return fail(std::string("expected ") + what + ", got null: leave the member out");
    return fail(std::string("expected ") + what + ", got " + (next == 0 ? "the end of the text" : kind_name(next)));
  }
  bool within(std::string_view name, bool ok) {
    if (ok) return true;
    path_.insert(0, path_.empty() || path_.front() == '[' ? "" : ".");
    path_.insert(0, name.substr(0, 80));
    return false;
  }

  bool text(std::string_view& into) {
    if (scan_.peek() != '"') return expected("a string");
    bool escaped = false;
    if (!scan_.string(into, escaped)) return syntax("bad string");
    if (escaped) {
      scratch_.resize(into.size());
      into = batch_.keep(std::string_view(scratch_.data(), ingest::unescape(into, scratch_.data())));
    }
    return true;
  }

  template <typename Each>
  bool object(Each each) {
    if (!scan_.take('{')) return expected("an object");
    if (scan_.take('}')) return true;
    do {
      std::string_view name;
      if (scan_.peek() != '"') return syntax("expected a member name");
      if (!text(name)) return false;
      if (!scan_.take(':')) return syntax("expected ':'");
      if (!each(name)) return false;
    } while (scan_.take(','));
    return scan_.take('}') || syntax("expected ',' or '}'");
  }

  bool member(Event& event, std::string_view name, uint32_t& seen) {
    const size_t which = find(name, kMembers);
    if (which == kMemberCount) {
      if (name == "withheld") {
        return fail(
            "'withheld': content or source_ip of this event was exported without the key that opens it: export "
            "with --keys and decrypt keys, or leave the member out");
      }
      if (name == "recorded_at" || name == "seq")
        return fail(ingest::quoted(name) + " is given by khipu, never by a producer");
      return fail("unknown member " + ingest::quoted(name) + ingest::did_you_mean(name, kMembers) +
                  "; what has no member of its own goes into 'content' or 'custom'");
    }
    if ((seen & 1U << which) != 0) return within(name, fail("the member is there twice"));
    seen |= 1U << which;
    if ((seen & (1U << kAction | 1U << kMethod)) == (1U << kAction | 1U << kMethod)) {
      return within(name, fail("'method' is another name for 'action': give one of them"));
    }
    return within(name, value(event, static_cast<Member>(which)));
  }

  bool value(Event& event, Member which) {
    switch (which) {
      case kOccurredAt: return time(event);
      case kActor: return entity(event.actor);
      case kAction:
      case kMethod: return text(event.action);
      case kActionClass: {
        size_t index = 0;
        if (!word(kClasses, index)) return false;
        event.action_class = *codec::action_class(kClasses[index]);
        return true;
      }
      case kOutcome: {
        size_t index = 0;
        if (!word(kOutcomes, index)) return false;
        event.outcome = *codec::outcome(kOutcomes[index]);
        return true;
      }
      case kTargets: return targets(event);
      case kUrl: return text(event.url);
      case kSource: return text(event.source);
      case kSourceIp: return text(event.source_ip);
      case kEventId: return text(event.event_id);
      case kSession: return text(event.session);
      case kOnBehalfOf: return entity(event.on_behalf_of.emplace());
      case kContent: return content(event);
      case kCustom: return custom(event);
      case kMemberCount: break;
    }
    return fail("unknown member");
  }

  bool time(Event& event) {
    std::string_view text_of_time;
    if (!text(text_of_time)) return false;
    auto parsed = parse_rfc3339(text_of_time);
    if (!parsed.ok()) return fail(parsed.error().message);
    event.occurred_at = *parsed;
    return true;
  }

  bool word(std::span<const std::string_view> words, size_t& index) {
    std::string_view name;
    if (!text(name)) return false;
    index = find(name, words);
    if (index < words.size()) return true;
    return fail(ingest::quoted(name) + " is none of " + list(words) + ingest::did_you_mean(name, words));
  }

  bool entity(EntityInput& entity) {
    uint32_t seen = 0;
    const bool ok = object([&](std::string_view name) {
      const size_t which = find(name, kEntityMembers);
      if (which == kEntityMembers.size()) {
        return fail("unknown member " + ingest::quoted(name) + ingest::did_you_mean(name, kEntityMembers) +
                    "; an entity has type, id, fields and deleted");
      }
      if ((seen & 1U << which) != 0) return within(name, fail("the member is there twice"));
      seen |= 1U << which;
      switch (which) {
        case 0: return within(name, text(entity.type));
        case 1: return within(name, text(entity.id));
        case 2: return within(name, fields(entity));
        default:
          if (!within(name, boolean(entity.deleted))) return false;
          entity.revives = !entity.deleted;
          return true;
      }
    });
    if (!ok) return false;
    if ((seen & 1) == 0) return fail("'type' is missing: an entity is {\"type\":...,\"id\":...}");
    if ((seen & 2) == 0) return fail("'id' is missing: an entity is {\"type\":...,\"id\":...}");
    return true;
  }

  bool boolean(bool& into) {
    std::string_view raw;
    const char first = scan_.peek();
    if (first != 't' && first != 'f') return expected("true or false");
    if (!scan_.value(raw)) return syntax("expected true or false");
    into = first == 't';
    return true;
  }

  // A text, number or json value; json is kept as it is written.
  bool any(Value& into) {
    const char first = scan_.peek();
    std::string_view raw;
    if (first == '"') {
      if (!text(raw)) return false;
      into = Value::of_text(raw);
      return true;
    }
    if (!scan_.value(raw)) return syntax("expected a value");
    if (first != '-' && (first < '0' || first > '9')) {
      into = Value::of_json(raw);
      return true;
    }
    auto number = ingest::number_value(raw);
    if (!number.ok()) return fail(number.error().message);
    into = *number;
    return true;
  }

  static std::string at_most(size_t count) { return "at most " + std::to_string(count); }
  bool one_more() {
    if (inputs_left_ == 0) return fail("more entities, fields and columns than one request may hold");
    --inputs_left_;
    return true;
  }

  bool null() {
    std::string_view raw;
    return scan_.value(raw) || syntax("expected null");
  }

  bool fields(EntityInput& entity) {
    fields_.clear();
    const bool ok = object([&](std::string_view name) {
      if (fields_.size() == limits_.fields_max) return fail(at_most(limits_.fields_max) + " of them in one entity");
      if (!one_more()) return false;
      FieldInput& field = fields_.emplace_back();
      field.name = name;
      field.remove = scan_.peek() == 'n';
      return within(name, field.remove ? null() : any(field.value));
    });
    if (!ok) return false;
    entity.fields = batch_.keep(std::span<const FieldInput>(fields_));
    return true;
  }

  bool targets(Event& event) {
    if (!scan_.take('[')) return expected("an array of entities");
    if (scan_.take(']')) return true;
    targets_.clear();
    do {
      const size_t index = targets_.size();
      if (index == limits_.targets_max) return fail(at_most(limits_.targets_max) + " of them fit into one event");
      if (!one_more()) return false;
      if (!entity(targets_.emplace_back())) return within("[" + std::to_string(index) + "]", false);
    } while (scan_.take(','));
    if (!scan_.take(']')) return syntax("expected ',' or ']'");
    event.targets = batch_.keep(std::span<const EntityInput>(targets_));
    return true;
  }

  bool content(Event& event) {
    std::string_view raw;
    if (scan_.peek() == '"') {
      if (!text(raw)) return false;
      event.content_kind = raw.empty() ? codec::ContentKind::kNone : codec::ContentKind::kText;
    } else {
      if (!scan_.value(raw)) return syntax("expected a value");
      event.content_kind = codec::ContentKind::kJson;
    }
    event.content = as_bytes(raw);
    return true;
  }

  bool custom(Event& event) {
    columns_.clear();
    const bool ok = object([&](std::string_view name) {
      if (scan_.peek() == 'n') return within(name, fail("null: leave the column out"));
      if (columns_.size() == kColumnsMax) return fail(at_most(kColumnsMax) + " of them in one event");
      if (!one_more()) return false;
      ColumnInput& column = columns_.emplace_back();
      column.name = name;
      return within(name, any(column.value));
    });
    if (!ok) return false;
    event.custom = batch_.keep(std::span<const ColumnInput>(columns_));
    return true;
  }

  ingest::JsonScanner scan_;
  ingest::Batch& batch_;
  const ingest::Limits limits_;
  size_t inputs_left_;
  std::string scratch_;
  std::vector<FieldInput> fields_;
  std::vector<EntityInput> targets_;
  std::vector<ColumnInput> columns_;
};

Result<void> parse_with(Parser& parser, std::string_view text, Problem* problem) {
  const bool utf8 = simdjson::validate_utf8(text.data(), text.size());
  if (utf8 && parser.run(text)) return {};
  Problem found{0, std::move(parser.path_), utf8 ? std::move(parser.message_) : "not valid UTF-8"};
  Error error{Code::kInvalid, found.path.empty() ? found.message : found.path + ": " + found.message};
  if (problem != nullptr) *problem = std::move(found);
  return error;
}

}  // namespace

Result<void> parse_event(std::string_view text, ingest::Batch& batch, Problem* problem, const ingest::Limits& limits) {
  Parser parser(batch, limits);
  return parse_with(parser, text, problem);
}

struct EventParser::Impl {
  Impl(ingest::Batch& batch, const ingest::Limits& limits) : parser(batch, limits) {}
  Parser parser;
};

EventParser::EventParser(ingest::Batch& batch, const ingest::Limits& limits)
    : impl_(std::make_unique<Impl>(batch, limits)) {}
EventParser::~EventParser() = default;

Result<void> EventParser::parse(std::string_view text, Problem* problem) {
  return parse_with(impl_->parser, text, problem);
}

Result<ParsedEvents> parse_events(std::string body, const ingest::Limits& limits, Problem* problem) {
  ParsedEvents parsed;
  const std::string_view text = parsed.batch.adopt(std::move(body));
  Parser parser(parsed.batch, limits, kBodyInputsMax);
  const auto newlines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  const size_t events = std::min<size_t>(newlines + 1, limits.batch_events_max);
  parsed.batch.events.reserve(events);
  parsed.lines.reserve(events);
  parsed.texts.reserve(events);
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (parsed.batch.events.size() == limits.batch_events_max) {
      return Error{Code::kLimit, "line " + std::to_string(number) + ": at most " +
                                     std::to_string(limits.batch_events_max) + " events in one request"};
    }
    if (auto result = parse_with(parser, line, problem); !result.ok()) {
      if (problem != nullptr) problem->line = number;
      return std::move(result).error().at("line " + std::to_string(number));
    }
    parsed.lines.push_back(number);
    parsed.texts.push_back(line);
  }
  return parsed;
}

}  // namespace khipu::import
