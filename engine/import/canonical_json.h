// Canonical event JSON (README.md, "An event") to events: one object, or NDJSON with one object a line. What POST
// /v1/events and `khipu append` accept. Strict: unknown and repeated members, nulls and wrong kinds are errors at every
// level that is ours; inside `content`, `custom` and `fields` values of kind json the producer's text is kept byte for
// byte. Not here: whether types, fields and columns are defined (ingest/validate), foreign formats (the mappers beside
// this).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ingest/event.h"

namespace khipu::import {

// Where an input was wrong, for answers that keep the parts apart; Error::message holds all of it as one line.
struct Problem {
  size_t line = 0;      // from 1; 0 when the text is one object
  std::string path;     // "targets[1].fields.name", or "" for the object itself
  std::string message;  // without line and path
};

struct ParsedEvents {
  ingest::Batch batch;
  std::vector<size_t> lines;            // the line of each event, from 1
  std::vector<std::string_view> texts;  // the text of each event; borrowed from the batch
};

// Whatever a body holds, it costs memory for at most so many entities, fields and columns: some 80 MB.
inline constexpr size_t kBodyInputsMax = 1'000'000;

// NDJSON: blank lines are skipped, CRLF is fine, the last newline may be missing. All or nothing: the first bad line is
// the Error. kLimit beyond limits.batch_events_max. Nothing of an event is kept beyond limits.targets_max and
// fields_max.
Result<ParsedEvents> parse_events(std::string body, const ingest::Limits& limits, Problem* problem = nullptr);

// One object, which may span lines. Appends to the batch; its events may view into `text`, which must live as long.
// On an Error the batch is as it was.
Result<void> parse_event(std::string_view text, ingest::Batch& batch, Problem* problem = nullptr,
                         const ingest::Limits& limits = {});

// The same for many texts, one after another, into one batch, which outlives it. Owner: one thread.
class EventParser {
 public:
  explicit EventParser(ingest::Batch& batch, const ingest::Limits& limits = {});
  ~EventParser();
  EventParser(const EventParser&) = delete;
  EventParser& operator=(const EventParser&) = delete;
  Result<void> parse(std::string_view text, Problem* problem = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace khipu::import
