/**
 * Loaded before a block that is run (`node --import`): the package's names lead to its sources, so that the words of the
 * documentation are held to the code as it stands and not to the last build.
 */
import { registerHooks } from "node:module";
import { DOORS, doorFile } from "./preludes.ts";
import { pathToFileURL } from "node:url";

registerHooks({
  resolve(specifier, context, next) {
    if (!Object.hasOwn(DOORS, specifier)) return next(specifier, context);
    return { url: pathToFileURL(doorFile(specifier)).href, shortCircuit: true };
  },
});
