// POST /v1/events: a body becomes a batch with its idempotency keys, the writer's receipt becomes an answer.
#include <algorithm>
#include <charconv>

#include "engine/crypto/hash.h"
#include "engine/daemon/api.h"
#include "engine/import/canonical_json.h"
#include "engine/import/runner.h"
#include "engine/ingest/wire.h"

namespace khipu::daemon {
namespace {

enum class Form { kObject, kLines, kWire, kOther };

// The media type without parameters, whose letters may be of either case (RFC 9110 8.3.1).
Form form_of(std::string type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (type == "application/json") return Form::kObject;
  if (type == "application/x-ndjson" || type == "application/ndjson") return Form::kLines;
  if (type == "application/cbor") return Form::kWire;
  return Form::kOther;
}

bool visible_ascii(std::string_view key) {
  return !key.empty() && key.size() <= 128 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// (source, event_id) as one key of fixed size: both may be longer than a key may be.
std::string event_key(const ingest::Event& event) {
  const std::string size = std::to_string(event.source.size()) + ":";
  return hex(crypto::sha256(as_bytes(size), as_bytes(event.source), as_bytes(event.event_id)));
}

// "event 3: actor.id: ..." as the validation says it: the line of that event, the member.
Place place_of(std::string_view message, const std::vector<size_t>& lines) {
  Place place;
  constexpr std::string_view kPrefix = "event ";
  if (!message.starts_with(kPrefix)) return place;
  message.remove_prefix(kPrefix.size());
  size_t index = 0;
  const auto [end, error] = std::from_chars(message.data(), message.data() + message.size(), index);
  if (error != std::errc{} || index >= lines.size()) return place;
  place.line = lines[index];
  message.remove_prefix(static_cast<size_t>(end - message.data()));
  if (!message.starts_with(": ")) return place;
  message.remove_prefix(2);
  const std::string_view path = message.substr(0, message.find(": "));
  if (path.size() < message.size() && path.find(' ') == std::string_view::npos) place.path = path;
  return place;
}

HttpResponse answer_of(const Result<writer::Receipt>& receipt, const std::vector<size_t>& lines) {
  if (!receipt.ok()) return error_response(receipt.error(), place_of(receipt.error().message, lines));
  HttpResponse response;
  response.body = receipt_json(*receipt);
  return response;
}

}  // namespace

HttpResponse Api::post_events(HttpRequest& request, const Caller& caller) {
  const Form form = form_of(request.header("Content-Type"));
  if (form == Form::kOther || (form == Form::kWire && !caller.local)) {
    return error_response(415, "unsupported",
                          "Content-Type must be application/json (one event) or application/x-ndjson (one a line)");
  }
  bool by_event_id = false;
  for (const auto& [name, value] : request.query()) {
    if (name != "idempotency" || value != "event_id" || by_event_id) {
      return error_response(400, "invalid", "the only query parameter is idempotency=event_id, once");
    }
    by_event_id = true;
  }
  const size_t keys = request.header_count("Idempotency-Key");
  const std::string key = request.header("Idempotency-Key");
  if (keys > 1 || (keys == 1 && !visible_ascii(key))) {
    return error_response(400, "invalid", "Idempotency-Key must be given once, 1 to 128 visible ASCII characters");
  }
  if (keys == 1 && by_event_id) {
    return error_response(400, "invalid", "Idempotency-Key and ?idempotency=event_id exclude each other");
  }

  Result<std::string> body = request.body();
  if (!body.ok()) return error_response(body.error().code == Code::kIo ? 408 : 413, "limit", body.error().message);
  const Hash body_hash = keys == 1 ? crypto::sha256(as_bytes(*body)) : Hash{};
  const ingest::Limits limits = locked(limits_);

  ingest::Batch batch;
  std::vector<size_t> lines;
  if (form == Form::kWire) {
    Result<ingest::Batch> decoded = ingest::decode_batch(as_bytes(*body), limits);
    if (!decoded.ok()) return error_response(decoded.error());
    batch = std::move(*decoded);
    // The scope is who sent it, whatever the sender says; of an import the same for all, for whoever does it again.
    const bool imports = std::any_of(batch.statements.begin(), batch.statements.end(), [](const auto& statement) {
      return std::holds_alternative<codec::Import>(statement);
    });
    if (batch.key) batch.key->scope = imports ? import::kKeyScope : caller.scope;
    for (ingest::IdempotencyKey& one : batch.event_keys) one.scope = caller.scope + "/event";
  } else {
    import::Problem problem;
    std::vector<std::string_view> texts;
    Result<void> parsed;
    if (form == Form::kLines) {
      Result<import::ParsedEvents> events = import::parse_events(std::move(*body), limits, &problem);
      if (events.ok()) {
        batch = std::move(events->batch);
        lines = std::move(events->lines);
        texts = std::move(events->texts);
      } else {
        parsed = std::move(events).error();
      }
    } else {
      const std::string_view text = batch.adopt(std::move(*body));
      parsed = import::parse_event(text, batch, &problem, limits);
      texts = {text};
      lines = {0};
    }
    if (!parsed.ok()) {
      // What a smaller limit refuses may have been taken before it was set: then that is the answer.
      if (keys == 1) {
        ingest::Batch repeat;
        repeat.key = ingest::IdempotencyKey{caller.scope, key, body_hash};
        const Result<writer::Receipt> before = sink_.submit(std::move(repeat));
        if (before.ok() || before.error().code == Code::kConflict) return answer_of(before, lines);
      }
      return error_response(parsed.error(), {problem.line, problem.path});
    }
    if (batch.events.empty()) return error_response(400, "invalid", "the body holds no event");
    if (by_event_id) {
      for (size_t i = 0; i < batch.events.size(); ++i) {
        const ingest::Event& event = batch.events[i];
        if (event.event_id.empty()) {
          return error_response({Code::kInvalid, "?idempotency=event_id wants an event_id in every event"},
                                {lines[i], "event_id"});
        }
        batch.event_keys.push_back({caller.scope + "/event", event_key(event), crypto::sha256(as_bytes(texts[i]))});
      }
    }
  }
  if (keys == 1) batch.key = ingest::IdempotencyKey{caller.scope, key, body_hash};

  return answer_of(sink_.submit(std::move(batch)), lines);
}

}  // namespace khipu::daemon
