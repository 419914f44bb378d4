#include "mcp/protocol/content.h"

namespace khipu::mcp::protocol {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

OrderedJson text_json(std::string text) { return {{"type", "text"}, {"text", std::move(text)}}; }

}  // namespace

OrderedJson content_json(const Content& content, Revision revision) {
  return std::visit(
      Overloaded{
          [](const TextContent& text) { return text_json(text.text); },
          [](const ImageContent& image) {
            return OrderedJson{{"type", "image"}, {"data", base64(image.data)}, {"mimeType", image.mime_type}};
          },
          [&](const AudioContent& audio) {
            if (!has_audio(revision)) return text_json("(audio, " + audio.mime_type + ")");
            return OrderedJson{{"type", "audio"}, {"data", base64(audio.data)}, {"mimeType", audio.mime_type}};
          },
          [](const EmbeddedResource& embedded) {
            return OrderedJson{{"type", "resource"}, {"resource", contents_json(embedded.resource)}};
          },
          [&](const ResourceLink& link) {
            if (!has_resource_links(revision)) return text_json(link.name + ": " + link.uri);
            return OrderedJson{
                {"type", "resource_link"}, {"uri", link.uri}, {"name", link.name}, {"mimeType", link.mime_type}};
          },
      },
      content);
}

OrderedJson contents_json(const ResourceContents& contents) {
  OrderedJson json = {{"uri", contents.uri}};
  if (!contents.mime_type.empty()) json["mimeType"] = contents.mime_type;
  if (const auto* text = std::get_if<std::string>(&contents.data)) {
    json["text"] = *text;
  } else {
    json["blob"] = base64(std::get<Buffer>(contents.data));
  }
  if (!contents.meta.empty()) json["_meta"] = contents.meta;
  return json;
}

}  // namespace khipu::mcp::protocol
