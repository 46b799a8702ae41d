// The OpenAPI 3.1 description of this API: src/api/openapi.json, which the build embeds.
#ifndef SISYPHUS_API_OPENAPI_H_
#define SISYPHUS_API_OPENAPI_H_

#include <string_view>

namespace sisyphus::api {

std::string_view OpenApiDescription();  // Lives forever.

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_OPENAPI_H_
