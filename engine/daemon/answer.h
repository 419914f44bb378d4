// Answers as JSON: receipts and errors, each with a versioned schema name; and which HTTP status an Error is.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/daemon/http.h"
#include "engine/writer/writer.h"

namespace khipu::daemon {

// {"schema":"khipu.receipt/v1","first_seq":1,"count":2,"seqs":[1,2],"durable":true,"duplicate":false,"commit":7}
// first_seq is null when the batch held no event.
std::string receipt_json(const writer::Receipt& receipt);
// The inverse, for the command line; kCorrupt when the text is not such a receipt.
Result<writer::Receipt> parse_receipt(std::string_view json);

// Where in the body the fault lies, when that is known.
struct Place {
  size_t line = 0;   // from 1; 0: not said
  std::string path;  // "targets[0].id"
};
// {"schema":"khipu.error/v1","error":{"code":"invalid","message":"...","line":3,"path":"actor.id"}}
HttpResponse error_response(const Error& error, const Place& place = {});
HttpResponse error_response(int status, std::string_view code, std::string_view message);
// The Error an error answer stands for, with its code.
Error parse_error(const HttpAnswer& answer);

}  // namespace khipu::daemon
