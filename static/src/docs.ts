/** The API reference: starts Swagger UI on this server's own OpenAPI document. */

interface SwaggerOptions {
  url: string;
  dom_id: string;
  validatorUrl: null;
}

declare global {
  interface Window {
    SwaggerUIBundle?: (options: SwaggerOptions) => void;
  }
}

export {};

const place = document.getElementById("swagger-ui");
const url = place?.dataset["openapi"];
// Without a validator: the hosted one would be a request to another host.
if (url !== undefined) window.SwaggerUIBundle?.({ url, dom_id: "#swagger-ui", validatorUrl: null });
