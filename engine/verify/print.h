// A report as JSON (for programs, versioned schema name khipu.verify/v1) and as a page for people. Written by hand: the
// engine knows no JSON library, and every text in a report is ASCII of ours.
#pragma once

#include <string>

#include "engine/verify/report.h"

namespace khipu::verify {

std::string to_json(const Report& report);
std::string to_page(const Report& report);

}  // namespace khipu::verify
