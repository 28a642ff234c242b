/** In place of validators that hono-openapi would load if we used them: a bundler cannot know that we do not. */
export {};
