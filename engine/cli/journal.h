// This machine's journal as the input of an import: what journalctl prints, and where the next import goes on.
//
// journald drops old entries as it likes, so the next import's bytes need not begin with this one's, and find_resume()
// would take them for another input. So the receipts carry the cursor of the last entry in the input's name
// (systemd.journal-fields(7), __CURSOR). Not here: entries (engine/import/journald.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/cli/spool.h"
#include "engine/codec/statement.h"

namespace khipu::cli {

// Whether an input of that name is the journal.
bool is_journal_name(std::string_view name);
// Where the newest import that reached the end of the journal ended; empty: there is none.
std::string journal_cursor(std::span<const codec::Import> earlier);

// The entries behind `cursor`, or all of them where it is empty, and the input's name for the receipts. kNotFound:
// there is no journalctl; kCancelled: `is_cancelled` said so; else journalctl's or the spool's error.
Result<std::string> read_journal(const std::string& cursor, Spool& into, const std::function<bool()>& is_cancelled);

}  // namespace khipu::cli
