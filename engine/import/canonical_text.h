// JSON text written, not read: string escaping, and an event as canonical JSON for a person to look at (--dry-run).
// Answers of queries are not printed here.
#pragma once

#include <string>

#include "engine/ingest/event.h"

namespace khipu::import {

// Appends `text` in quotes; it must be UTF-8.
void append_json_string(std::string& to, std::string_view text);
// One line, without `content` (its kind and size are in "content_size").
std::string event_text(const ingest::Event& event);

}  // namespace khipu::import
