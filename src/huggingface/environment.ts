import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What the environment says about Hugging Face, by the variables of its own libraries. */
export interface HubEnvironment {
  /** Folder with `models--ORGANISATION--NAME` for each repository. */
  readonly cache: string;
  readonly endpoint: string;
  readonly offline: boolean;
  /** Secret: it goes into requests to the endpoint, and nowhere else. */
  readonly token: string | undefined;
}

/** Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables */
export function hubEnvironment(env: NodeJS.ProcessEnv): HubEnvironment {
  const home = expand(given(env.HF_HOME) ?? join(given(env.XDG_CACHE_HOME) ?? '~/.cache', 'huggingface'));
  return {
    cache: expand(given(env.HF_HUB_CACHE) ?? given(env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub')),
    endpoint: (given(env.HF_ENDPOINT) ?? 'https://huggingface.co').replace(/\/+$/, ''),
    offline: isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE),
    token:
      given(env.HF_TOKEN) ??
      given(env.HUGGING_FACE_HUB_TOKEN) ??
      tokenIn(expand(given(env.HF_TOKEN_PATH) ?? join(home, 'token'))),
  };
}

/** An empty variable is as good as none. */
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

const expand = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());

function tokenIn(path: string): string | undefined {
  try {
    return given(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
