// Which backend this page has. A static export puts a file in this place that exports `open` of static.js.
export { open } from "./backend.js";
