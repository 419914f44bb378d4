#include "mcp/tools/event_flags.h"

#include "engine/query/entities.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {
namespace {

constexpr uint16_t kBits = 8;

// Of a value shown by Renderer::token.
Flags token_flags(std::string_view raw) { return Renderer("").token(raw).flags; }

}  // namespace

query::Labels flag_labels() {
  query::Labels labels;
  for (uint16_t bit = 0; bit < kBits; ++bit) {
    Flags one;
    one.add(static_cast<Flag>(1U << bit));
    labels.names.push_back(one.names().front());
  }
  labels.of_event = [](const codec::EventRecord& event) {
    Flags flags = token_flags(event.action);
    const size_t question = event.url.find('?');
    flags.add(token_flags(event.url.substr(0, question)));
    if (question != std::string_view::npos) flags.add(inspect(event.url.substr(question + 1)));
    flags.add(token_flags(event.source));
    flags.add(inspect(as_text(event.content)));
    return flags.bits();
  };
  labels.of_version = [](const codec::VersionRecord& version) {
    Flags flags = token_flags(std::string(version.type) + ":" + std::string(version.id));
    query::Labels::OfVersion of;
    of.as_target = flags.bits();
    flags.add(inspect(codec::display_name(version)));
    of.as_actor = flags.bits();
    return of;
  };
  return labels;
}

}  // namespace khipu::mcp::tools
