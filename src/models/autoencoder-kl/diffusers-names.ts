/** How diffusers named the parts of attention before its version 0.18. */
const renamed: Readonly<Record<string, string | undefined>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/** Today's name of a parameter of diffusers' AutoencoderKL; files of Stable Diffusion's first autoencoders have older ones. */
export function currentName(name: string): string {
  return name.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
    (_, before: string, part: string) => before + renamed[part]!,
  );
}
