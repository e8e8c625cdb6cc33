// Holds exchanges with Azure against its API descriptions, through oav's live validator, offline.
//
//   node validate.mjs MODULES SWAGGER EXCHANGES RESULTS
//
// EXCHANGES is one JSON object a line: {method, url, headers, body, status, replyHeaders, reply}. RESULTS gets one line for
// each: {operation, request: [misfit], reply: [misfit]}; an operation that no description has is null.

import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const [modules, directory, exchanges, results] = process.argv.slice(2);
const { LiveValidator } = createRequire(`${modules}/`)("oav/dist/lib/liveValidation/liveValidator.js");

const validator = new LiveValidator({
  directory,
  git: { shouldClone: false },
  swaggerPathsPattern: ["specification/*/resource-manager/**/*.json"],
});
await validator.initialize();

const said = (half) =>
  half.runtimeException
    ? [half.runtimeException.message]
    : (half.errors ?? []).map((error) => `${(error.pathsInPayload ?? []).join(",")}: ${error.message}`);

const lines = [];
for (const line of readFileSync(exchanges, "utf8").split("\n").filter(Boolean)) {
  const it = JSON.parse(line);
  const found = await validator.validateLiveRequestResponse({
    liveRequest: { headers: it.headers, method: it.method, url: it.url, body: it.body ?? undefined },
    liveResponse: { statusCode: String(it.status), headers: it.replyHeaders, body: it.reply ?? undefined },
  });
  const { requestValidationResult: request, responseValidationResult: reply } = found;
  const operation = request.operationInfo?.operationId;
  lines.push(JSON.stringify({
    operation: operation && operation !== "unknownOperationId" ? operation : null,
    request: said(request),
    reply: said(reply),
  }));
}
writeFileSync(results, lines.map((line) => line + "\n").join(""));
