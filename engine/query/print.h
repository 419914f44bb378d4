// Rows as JSON text, written straight: verbatim content is spliced in, not parsed and printed again. It reads as the
// values that were stored and drives no terminal: what would is escaped as \u202e (engine/base/visible.h). Not a JSON
// library: what a tool answers is built in mcp/tools.
#pragma once

#include <string>
#include <string_view>

#include "engine/query/rows.h"

namespace khipu::query {

// The canonical event (import/README.md), one line without its end: what `khipu append` takes. Entities carry the
// fields of the version the event pinned. Line breaks inside spliced JSON become spaces; text that is not UTF-8 gets
// U+FFFD.
void append_canonical_event(std::string& to, const EventRow& event);
// The same members after seq, uid, recorded_at and with "version" and "deleted" of entities: for reading, not for
// input.
void append_event(std::string& to, const EventRow& event);
void append_version(std::string& to, const VersionView& version);
void append_value(std::string& to, const OwnedValue& value);
void append_json_string(std::string& to, std::string_view text);  // with its quotes
// Parts that every answer shares, each an object or array.
void append_as_of(std::string& to, const AsOf& as_of);
void append_coverage(std::string& to, const Coverage& coverage);
void append_notes(std::string& to, const std::vector<Note>& notes);
void append_findings(std::string& to, const std::vector<Finding>& findings);
void append_finding(std::string& to, const Finding& finding);
// {"code":...,"field":...,"got":...,"allowed":[...],"did_you_mean":...,"hint":...}
void append_error(std::string& to, const QueryError& error);

}  // namespace khipu::query
