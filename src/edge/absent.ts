/** In place of a validator that hono-openapi would load if we used it: a bundler cannot know that we do not. */
export const absent = true;
