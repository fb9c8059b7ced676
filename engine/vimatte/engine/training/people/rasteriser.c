/* One frame of one person, as the mean of jittered passes: each pass draws every triangle and strand at one moment of the
 * shutter, from one point of the lens, under one sample of a lamp and one of the sky, and shades one sample a pixel.
 *
 * Only + - * / sqrt and floor on 32-bit floats, always in the order written (no contraction, no fast maths), so that the
 * picture is the same on every machine, and the same as plain.py and shading.py make without a compiler. Whoever changes a
 * line here changes it there: tests compare them to the bit.
 *
 * Depth is 1 / distance for the camera and height along the lamp for shadow maps: the greater is in front, 0 is nothing.
 * Buffers of the camera have twice the picture's width and height: four coverage samples a pixel.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY 0xffffffffu
#define STRAND 0x80000000u
#define NEAREST .03f       /* metres before the lens; what is closer is not drawn */
#define GOLDEN 0.61803399f /* fraction that spreads thresholds evenly over passes */
#define SHADOW_STEP 3      /* every third strand is drawn in a shadow map, three times as wide */

typedef struct {
    int32_t cut_out, hair;                     /* alpha of the texture cuts; shaded as hair */
    int32_t texture, texture_w, texture_h;     /* byte offset of RGBA texels, or -1 */
    int32_t normal, normal_w, normal_h;        /* byte offset of a tangent-space normal map, or -1 */
    float colour[3], roughness, specular, translucence, wrap[3], normal_strength, gloss[3];
} Material;

typedef struct {
    float shift[2], time, lens[2];             /* pixels; -1 .. 1 of the way to the neighbour frames; metres */
    float direction[2][3], radiance[2][3];     /* towards the light; linear RGB */
} Pass;

typedef struct {
    float top[3], horizon[3], bottom[3], ambient[3];
} Sky;

typedef struct {
    int32_t width, height, n_passes, n_triangles, n_vertices, n_strands, n_points, shadow_side;
    float left, bottom, pixel, focus;          /* window in tangents, a pixel's side, metres to the focal plane */
    const Pass *passes;
    const int32_t *triangles, *material_of;    /* 3 a triangle; 1 a triangle */
    const float *uv;                           /* 6 a triangle */
    const int32_t *strand_start, *strand_of;   /* n_strands + 1 point indices; 1 a point */
    const float *half_width, *strand_colour;   /* metres, 1 a point; 3 a strand */
    const Material *materials;
    const uint8_t *texels;
    const float *linear;                       /* sRGB byte -> linear light, 256 */
    Sky sky;
} Scene;

typedef struct {
    const float *vertices[3], *points[3];      /* before, now, after */
    const float *normals, *point_normals;      /* now */
    const float *place, *axes;                 /* 3 x 3 camera places, 3 x 9 axes: right, up, back */
    const float *bounds;                       /* points that a shadow map must hold */
    int32_t n_bounds;
    float shadow_bias;
} Moment;

typedef struct {
    int w, h;
    float *depth;
    uint32_t *id; /* triangle, STRAND | point, or EMPTY; null for shadow maps */
} Buffer;

typedef struct {
    float x[3], y[3], z[3], scale_x, origin_x, scale_y, origin_y, origin_z;
    Buffer map;
} Shadow;

static inline float least(float a, float b) { return a < b ? a : b; }
static inline float most(float a, float b) { return a > b ? a : b; }
static inline float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
static inline void normalise(float *a) {
    float k = 1.f / sqrtf(dot(a, a) + 1e-20f);
    a[0] *= k; a[1] *= k; a[2] *= k;
}
static inline void cross(const float *a, const float *b, float *c) {
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}
static inline void half_way(const float *a, const float *b, float *c) {
    for (int k = 0; k < 3; k++) c[k] = a[k] + b[k];
    normalise(c);
}
static inline uint32_t hash(uint32_t x, uint32_t y) {
    uint32_t h = x * 0x8da6b343u ^ y * 0xd8163841u;
    h ^= h >> 15; h *= 0x2c1b3c6du;
    h ^= h >> 12; h *= 0x297a2d39u;
    return h ^ h >> 15;
}
static inline float unit(uint32_t h) { return (float)(h >> 8) * (1.f / 16777216.f); }
static inline int down(float x) { int i = (int)x; return (float)i > x ? i - 1 : i; }
static inline int up(float x) { int i = (int)x; return (float)i < x ? i + 1 : i; }
static inline float fraction(float x) { return x - (float)down(x); }
static inline int wrapped(int i, int n) { i %= n; return i < 0 ? i + n : i; }
static inline int clamped(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* ---- textures: bilinear, alpha clamped at the rim, colour repeated */
static float alpha_at(const Material *m, const uint8_t *texels, float u, float v) {
    if (u < 0 || u > 1 || v < 0 || v > 1) { u = fraction(u); v = fraction(v); }
    int w = m->texture_w, h = m->texture_h;
    float x = u * (float)w - .5f, y = (1.f - v) * (float)h - .5f;
    int ix = down(x), iy = down(y);
    float fx = x - (float)ix, fy = y - (float)iy;
    int x0 = clamped(ix, w), x1 = clamped(ix + 1, w), y0 = clamped(iy, h), y1 = clamped(iy + 1, h);
    const uint8_t *t = texels + m->texture + 3;
    float a = t[(y0 * w + x0) * 4], b = t[(y0 * w + x1) * 4], c = t[(y1 * w + x0) * 4], d = t[(y1 * w + x1) * 4];
    return ((a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy) * (1.f / 255.f);
}
static void colour_at(const Material *m, const Scene *s, float u, float v, float *out) {
    u = u == 1.f ? 1.f : fraction(u);
    v = v == 1.f ? 1.f : fraction(v);
    int w = m->texture_w, h = m->texture_h;
    float x = u * (float)w - .5f, y = (1.f - v) * (float)h - .5f;
    int ix = down(x), iy = down(y);
    float fx = x - (float)ix, fy = y - (float)iy;
    int x0 = wrapped(ix, w), x1 = wrapped(ix + 1, w), y0 = wrapped(iy, h), y1 = wrapped(iy + 1, h);
    const uint8_t *t = s->texels + m->texture;
    const uint8_t *a = t + (y0 * w + x0) * 4, *b = t + (y0 * w + x1) * 4;
    const uint8_t *c = t + (y1 * w + x0) * 4, *d = t + (y1 * w + x1) * 4;
    float wa = (1 - fx) * (1 - fy), wb = fx * (1 - fy), wc = (1 - fx) * fy, wd = fx * fy;
    for (int k = 0; k < 3; k++)
        out[k] = s->linear[a[k]] * wa + s->linear[b[k]] * wb + s->linear[c[k]] * wc + s->linear[d[k]] * wd;
}

/* ---- triangles: screen holds x, y, depth a vertex */
static void draw_triangles(Buffer *buffer, const Scene *s, const float *screen, int pass, int perspective) {
    const int w = buffer->w, h = buffer->h;
    for (int t = 0; t < s->n_triangles; t++) {
        const int32_t *q = s->triangles + 3 * t;
        const float *a = screen + 3 * q[0], *b = screen + 3 * q[1], *c = screen + 3 * q[2];
        if (a[2] <= 0 || b[2] <= 0 || c[2] <= 0) continue;
        int x0 = clamped(up(least(a[0], least(b[0], c[0])) - .5f), w + 1);
        int y0 = clamped(up(least(a[1], least(b[1], c[1])) - .5f), h + 1);
        int x1 = down(most(a[0], most(b[0], c[0])) - .5f), y1 = down(most(a[1], most(b[1], c[1])) - .5f);
        if (x1 >= w) x1 = w - 1;
        if (y1 >= h) y1 = h - 1;
        if (x0 > x1 || y0 > y1) continue;
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if (area == 0) continue;
        float inverse = 1.f / area;
        float ax = (b[1] - c[1]) * inverse, ay = (c[0] - b[0]) * inverse;
        float bx = (c[1] - a[1]) * inverse, by = (a[0] - c[0]) * inverse;
        float px = (float)x0 + .5f, py = (float)y0 + .5f;
        float corner_a = (px - b[0]) * ax + (py - b[1]) * ay, corner_b = (px - c[0]) * bx + (py - c[1]) * by;
        float slope_a = a[2] - c[2], slope_b = b[2] - c[2];
        const Material *m = s->materials + s->material_of[t];
        for (int y = y0; y <= y1; y++) {
            float row_a = corner_a + (float)(y - y0) * ay, row_b = corner_b + (float)(y - y0) * by;
            float *depths = buffer->depth + (size_t)y * w;
            for (int x = x0; x <= x1; x++) {
                float ka = row_a + (float)(x - x0) * ax, kb = row_b + (float)(x - x0) * bx, kc = 1.f - ka - kb;
                if (ka < 0 || kb < 0 || kc < 0) continue;
                float depth = c[2] + ka * slope_a + kb * slope_b;
                if (depth <= depths[x]) continue;
                if (m->cut_out) {
                    if (perspective) {
                        float z = 1.f / depth;
                        ka *= a[2] * z; kb *= b[2] * z; kc *= c[2] * z;
                    }
                    const float *uv = s->uv + 6 * t;
                    float u = ka * uv[0] + kb * uv[2] + kc * uv[4], v = ka * uv[1] + kb * uv[3] + kc * uv[5];
                    float threshold = fraction(unit(hash(x, y)) + (float)pass * GOLDEN
                                               + unit(hash(s->material_of[t], (uint32_t)t >> 3)));
                    if (alpha_at(m, s->texels, u, v) <= threshold) continue;
                }
                depths[x] = depth;
                if (buffer->id) buffer->id[(size_t)y * w + x] = (uint32_t)t;
            }
        }
    }
}

/* ---- strands: screen holds x, y, depth, half width a point; what is thinner than a sample is there now and then */
typedef struct {
    const float *a, *b;
    float dx, dy, inverse_length2, across, nearest, half, cover, threshold;
    uint32_t id;
} Segment;

static inline void put(Buffer *buffer, const Segment *g, int x, int y) {
    size_t i = (size_t)y * buffer->w + x;
    if (g->nearest <= buffer->depth[i]) return;
    float qx = (float)x + .5f - g->a[0], qy = (float)y + .5f - g->a[1];
    float t = (qx * g->dx + qy * g->dy) * g->inverse_length2;
    if (t < 0 || t >= 1) return;
    if (fabsf(qx * g->dy - qy * g->dx) > g->across) return;
    float depth = least(g->a[2] + (g->b[2] - g->a[2]) * t, g->nearest);
    if (depth <= buffer->depth[i]) return;
    if (g->cover < 1 && g->cover <= fraction(g->threshold + unit(hash(x + buffer->w * 7, y)))) return;
    buffer->depth[i] = depth;
    if (buffer->id) buffer->id[i] = g->id;
}
static void draw_segment(Buffer *buffer, const Segment *g) {
    const float *a = g->a, *b = g->b;
    int x0 = clamped(up(least(a[0], b[0]) - g->half - .5f), buffer->w + 1);
    int y0 = clamped(up(least(a[1], b[1]) - g->half - .5f), buffer->h + 1);
    int x1 = down(most(a[0], b[0]) + g->half - .5f), y1 = down(most(a[1], b[1]) + g->half - .5f);
    if (x1 >= buffer->w) x1 = buffer->w - 1;
    if (y1 >= buffer->h) y1 = buffer->h - 1;
    if (x0 > x1 || y0 > y1) return;
    if (fabsf(g->dy) > fabsf(g->dx)) {
        float slope = g->dx / g->dy, reach = g->across / fabsf(g->dy);
        for (int y = y0; y <= y1; y++) {
            float middle = a[0] + ((float)y + .5f - a[1]) * slope;
            int from = up(middle - reach - .5f), to = down(middle + reach - .5f);
            if (from < x0) from = x0;
            if (to > x1) to = x1;
            for (int x = from; x <= to; x++) put(buffer, g, x, y);
        }
    } else {
        float slope = g->dx != 0 ? g->dy / g->dx : 0, reach = g->dx != 0 ? g->across / fabsf(g->dx) : g->half;
        for (int x = x0; x <= x1; x++) {
            float middle = a[1] + ((float)x + .5f - a[0]) * slope;
            int from = up(middle - reach - .5f), to = down(middle + reach - .5f);
            if (from < y0) from = y0;
            if (to > y1) to = y1;
            for (int y = from; y <= to; y++) put(buffer, g, x, y);
        }
    }
}
static void draw_strands(Buffer *buffer, const Scene *s, const float *screen, int pass, int step) {
    for (int strand = 0; strand < s->n_strands; strand++) {
        uint32_t chance = hash(strand, 0x9e37u);
        if (step > 1 && (chance + (uint32_t)pass) % step) continue;
        float threshold = fraction(unit(chance) + (float)pass * GOLDEN);
        for (int k = s->strand_start[strand]; k < s->strand_start[strand + 1] - 1; k++) {
            const float *a = screen + 4 * k, *b = a + 4;
            if (a[2] <= 0 || b[2] <= 0) continue;
            Segment g = {a, b, b[0] - a[0], b[1] - a[1], 0, 0, most(a[2], b[2]), 0, 1, threshold, STRAND | (uint32_t)k};
            g.half = .5f * (a[3] + b[3]) * (float)step;
            if (g.half < .5f) { g.cover = g.half * 2.f; g.half = .5f; }
            float length2 = g.dx * g.dx + g.dy * g.dy;
            g.inverse_length2 = 1.f / (length2 + 1e-9f);
            g.across = g.half * sqrtf(length2);
            draw_segment(buffer, &g);
        }
    }
}

/* ---- shadow maps: parallel light along `direction`, over the bounds */
static void aim(Shadow *shadow, const float *direction, const Moment *f, int side, int pass, int light) {
    memcpy(shadow->z, direction, sizeof shadow->z);
    float aside[3] = {.31f, .2f, .93f};
    if (fabsf(direction[2]) > .8f) { aside[0] = .93f; aside[2] = .2f; }
    cross(aside, shadow->z, shadow->x);
    normalise(shadow->x);
    cross(shadow->z, shadow->x, shadow->y);
    float low[3] = {1e9f, 1e9f, 1e9f}, high[3] = {-1e9f, -1e9f, -1e9f};
    for (int i = 0; i < f->n_bounds; i++) {
        const float *p = f->bounds + 3 * i;
        float c[3] = {dot(shadow->x, p), dot(shadow->y, p), dot(shadow->z, p)};
        for (int k = 0; k < 3; k++) { low[k] = least(low[k], c[k]); high[k] = most(high[k], c[k]); }
    }
    float margin = .02f * (high[0] - low[0] + high[1] - low[1]) + .01f;
    shadow->scale_x = (float)side / (high[0] - low[0] + 2 * margin);
    shadow->scale_y = (float)side / (high[1] - low[1] + 2 * margin);
    shadow->origin_x = low[0] - margin - (unit(hash(pass, 77 + light)) - .5f) / shadow->scale_x;
    shadow->origin_y = low[1] - margin - (unit(hash(pass, 177 + light)) - .5f) / shadow->scale_y;
    shadow->origin_z = low[2] - 20.f; /* everything stays above 0 */
}
static inline void from_light(const Shadow *s, const float *p, float *out) {
    out[0] = (dot(s->x, p) - s->origin_x) * s->scale_x;
    out[1] = (dot(s->y, p) - s->origin_y) * s->scale_y;
    out[2] = dot(s->z, p) - s->origin_z;
}
static float lit(const Shadow *s, const float *at, const float *normal, float off, float bias) {
    float p[3] = {at[0] + normal[0] * off, at[1] + normal[1] * off, at[2] + normal[2] * off}, q[3];
    from_light(s, p, q);
    if (q[0] < 0 || q[1] < 0 || q[0] >= (float)s->map.w || q[1] >= (float)s->map.h) return 1;
    return s->map.depth[(size_t)(int)q[1] * s->map.w + (int)q[0]] > q[2] + bias ? 0.f : 1.f;
}

/* ---- shading */
typedef struct {
    float at[3], view[3], normal[3], face[3], tangent[3], albedo[3];
    const Material *material;
    int strand, hair; /* a strand; or a strand or hair on a mesh */
} Sample;

static void strand_sample(Sample *o, const Scene *s, const float *points, const float *point_normals, int j) {
    int strand = s->strand_of[j], start = s->strand_start[strand], count = s->strand_start[strand + 1] - start;
    float lighter = .72f + .45f * ((float)(j - start) / (float)count); /* towards the tip */
    for (int k = 0; k < 3; k++) {
        o->tangent[k] = points[3 * (j + 1) + k] - points[3 * j + k];
        o->normal[k] = point_normals[3 * j + k];
        o->albedo[k] = s->strand_colour[3 * strand + k] * lighter;
    }
    normalise(o->tangent);
    normalise(o->normal);
    memcpy(o->face, o->normal, sizeof o->face);
    o->material = s->materials;
    o->strand = o->hair = 1;
}
static void bump(Sample *o, const Scene *s, const float *uv, const float *e1, const float *e2, float u, float v) {
    const Material *m = o->material;
    float du1 = uv[2] - uv[0], dv1 = uv[3] - uv[1], du2 = uv[4] - uv[0], dv2 = uv[5] - uv[1];
    float det = du1 * dv2 - du2 * dv1;
    if (!(fabsf(det) > 1e-12f)) return;
    float r = 1.f / det, along[3], across[3];
    for (int k = 0; k < 3; k++) {
        along[k] = (e1[k] * dv2 - e2[k] * dv1) * r;
        across[k] = (e2[k] * du1 - e1[k] * du2) * r;
    }
    normalise(along);
    normalise(across);
    int x = wrapped((int)(fraction(u) * (float)m->normal_w), m->normal_w);
    int y = wrapped((int)((1.f - fraction(v)) * (float)m->normal_h), m->normal_h);
    const uint8_t *t = s->texels + m->normal + ((size_t)y * m->normal_w + x) * 4;
    float nx = ((float)t[0] / 127.5f - 1.f) * m->normal_strength, ny = ((float)t[1] / 127.5f - 1.f) * m->normal_strength;
    float nz = most(.2f, (float)t[2] / 127.5f - 1.f);
    for (int k = 0; k < 3; k++) o->normal[k] = o->normal[k] * nz + along[k] * nx + across[k] * ny;
    normalise(o->normal);
}
static void surface_sample(Sample *o, const Scene *s, const float *vertices, const float *normals, int t) {
    const int32_t *q = s->triangles + 3 * t;
    const float *a = vertices + 3 * q[0], *b = vertices + 3 * q[1], *c = vertices + 3 * q[2];
    float e1[3], e2[3], ep[3];
    for (int k = 0; k < 3; k++) { e1[k] = b[k] - a[k]; e2[k] = c[k] - a[k]; ep[k] = o->at[k] - a[k]; }
    float d11 = dot(e1, e1), d12 = dot(e1, e2), d22 = dot(e2, e2), dp1 = dot(ep, e1), dp2 = dot(ep, e2);
    float inverse = 1.f / (d11 * d22 - d12 * d12 + 1e-20f);
    float kb = least(1.f, most(0.f, (d22 * dp1 - d12 * dp2) * inverse));
    float kc = least(1.f, most(0.f, (d11 * dp2 - d12 * dp1) * inverse)), ka = 1.f - kb - kc;
    const float *na = normals + 3 * q[0], *nb = normals + 3 * q[1], *nc = normals + 3 * q[2];
    for (int k = 0; k < 3; k++) o->normal[k] = ka * na[k] + kb * nb[k] + kc * nc[k];
    normalise(o->normal);
    const float *uv = s->uv + 6 * t;
    float u = ka * uv[0] + kb * uv[2] + kc * uv[4], v = ka * uv[1] + kb * uv[3] + kc * uv[5];
    cross(e1, e2, o->face);
    normalise(o->face);
    if (dot(o->face, o->normal) < 0) for (int k = 0; k < 3; k++) o->face[k] = -o->face[k];
    const Material *m = o->material = s->materials + s->material_of[t];
    if (m->texture >= 0) colour_at(m, s, u, v, o->albedo);
    else memcpy(o->albedo, m->colour, sizeof o->albedo);
    if (m->normal >= 0) bump(o, s, uv, e1, e2, u, v);
    if (dot(o->face, o->view) < 0) for (int k = 0; k < 3; k++) { o->normal[k] = -o->normal[k]; o->face[k] = -o->face[k]; }
    o->tangent[0] = o->tangent[1] = o->tangent[2] = 0;
    o->strand = 0;
    o->hair = m->hair;
}
static void hair_light(const Sample *p, const float *l, const float *radiance, float visible, float *out) {
    const Material *m = p->material;
    float half[3], diffuse, shine, facing = dot(p->normal, l);
    half_way(l, p->view, half);
    if (p->strand) { /* Kajiya and Kay 1989: light by the angle to the fibre, plus two highlights */
        float along = dot(p->tangent, l), across = sqrtf(most(0.f, 1.f - along * along));
        diffuse = .68f * most(0.f, (facing + .35f) / 1.35f) + .25f * across;
        float th = dot(p->tangent, half), x1 = sqrtf(most(0.f, 1.f - th * th));
        float x2 = x1 * x1, x4 = x2 * x2, x8 = x4 * x4, x16 = x8 * x8, x32 = x16 * x16;
        shine = x32 * x16 * x8 * x4 * .9f + x8 * x4 * x2 * .18f;
    } else {
        diffuse = most(0.f, (facing + .25f) / 1.25f) * .8f + m->translucence * most(0.f, -facing);
        float nh = most(0.f, dot(p->normal, half)), x2 = nh * nh, x4 = x2 * x2, x8 = x4 * x4;
        shine = x8 * x8 * x2 * .35f;
    }
    float behind = most(0.f, -dot(p->view, l)), b2 = behind * behind, rim = .35f * (b2 * b2 * b2);
    for (int k = 0; k < 3; k++)
        out[k] += visible * radiance[k]
                  * (p->albedo[k] * (diffuse + rim * 1.5f) + (.04f + .35f * p->albedo[k]) * shine * .5f);
}
static void surface_light(const Sample *p, const float *l, const float *radiance, float visible, int sky, float *out) {
    const Material *m = p->material;
    float facing = dot(p->normal, l);
    for (int k = 0; k < 3; k++) { /* light wraps around by colour: red the most in skin */
        float wrap = m->wrap[k], diffuse = most(0.f, (facing + wrap) / ((1 + wrap) * (1 + wrap)));
        float seen = facing < 0 ? most(visible, .6f * (1.f + facing / (wrap + 1e-3f))) : visible;
        if (facing < -wrap) seen = 0;
        out[k] += p->albedo[k] * diffuse * seen * radiance[k];
        if (m->translucence > 0 && facing < 0) out[k] += p->albedo[k] * m->translucence * -facing * visible * radiance[k];
    }
    if (facing <= 0 || visible <= 0 || m->specular <= 0) return;
    float half[3], rough = sky ? most(m->roughness, .35f) : m->roughness; /* one sample of the sky stands for a large patch */
    half_way(l, p->view, half);
    float nv = most(0.f, dot(p->normal, p->view)), nh = most(0.f, dot(p->normal, half));
    float away = 1.f - most(0.f, dot(p->view, half)), away2 = away * away;
    float a2 = rough * rough * rough * rough + 1e-4f, dn = nh * nh * (a2 - 1.f) + 1.f, d = a2 / (dn * dn);
    float fresnel = m->specular + (1.f - m->specular) * (away2 * away2 * away) * (1.f - m->roughness);
    float k2 = rough * rough * .5f;
    float g = 1.f / ((facing * (1.f - k2) + k2) * (nv * (1.f - k2) + k2 + 1e-3f));
    float shine = least(d * fresnel * g * .25f * facing, 4.f);
    for (int k = 0; k < 3; k++) out[k] += shine * radiance[k] * m->gloss[k];
}
static void sky_at(const Sky *sky, const float *d, float *out) {
    float t = d[2];
    for (int k = 0; k < 3; k++)
        out[k] = t > 0 ? sky->horizon[k] + (sky->top[k] - sky->horizon[k]) * sqrtf(t)
                       : sky->horizon[k] + (sky->bottom[k] - sky->horizon[k]) * least(1.f, -t * 3.f);
}
static void sky_light(const Sample *p, const Sky *sky, float *out) {
    const Material *m = p->material;
    float from[3];
    sky_at(sky, p->normal, from);
    for (int k = 0; k < 3; k++) out[k] += p->albedo[k] * sky->ambient[k] * from[k];
    if (p->strand || m->specular <= 0) return;
    float nv = dot(p->normal, p->view), twice = 2 * nv, mirror[3], away = 1.f - most(0.f, nv), away2 = away * away;
    for (int k = 0; k < 3; k++) mirror[k] = p->normal[k] * twice - p->view[k];
    sky_at(sky, mirror, from);
    float matt = 1.f - m->roughness, fresnel = m->specular + (1.f - m->specular) * (away2 * away2 * away) * matt * matt;
    for (int k = 0; k < 3; k++) out[k] += from[k] * fresnel * .45f * m->gloss[k];
}

/* ---- one frame */
static void moved(float *out, const float *const at[3], int n, float time) {
    const float *towards = time < 0 ? at[0] : at[2];
    float share = fabsf(time);
    for (int i = 0; i < n; i++) out[i] = at[1][i] + (towards[i] - at[1][i]) * share;
}
typedef struct {
    float place[3], axes[9];
} Camera;

static Camera camera_at(const Moment *f, const Pass *pass) {
    Camera c;
    const float *const place[3] = {f->place, f->place + 3, f->place + 6};
    const float *const axes[3] = {f->axes, f->axes + 9, f->axes + 18};
    moved(c.place, place, 3, pass->time);
    moved(c.axes, axes, 9, pass->time);
    for (int k = 0; k < 3; k++) c.place[k] += c.axes[k] * pass->lens[0] + c.axes[3 + k] * pass->lens[1];
    return c;
}
static int project(const Scene *s, const Pass *pass, const Camera *c, const float *p, float *out) {
    float q[3] = {p[0] - c->place[0], p[1] - c->place[1], p[2] - c->place[2]};
    float z = -dot(c->axes + 6, q);
    if (z < NEAREST) { out[0] = out[1] = 0; out[2] = -1; return 0; }
    float depth = 1.f / z; /* shifting by the lens keeps the focal plane where it is */
    float u = dot(c->axes, q) * depth + pass->lens[0] / s->focus, v = dot(c->axes + 3, q) * depth + pass->lens[1] / s->focus;
    out[0] = ((u - s->left) / s->pixel + pass->shift[0]) * 2.f;
    out[1] = ((float)s->height - (v - s->bottom) / s->pixel + pass->shift[1]) * 2.f;
    out[2] = depth;
    return 1;
}
static void shade(const Scene *s, const Moment *f, const Pass *pass, int number, const Camera *c, const Buffer *buffer,
                  const Shadow *shadows, const float *vertices, const float *points, uint16_t *cover, float *colour) {
    const int w2 = 2 * s->width;
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            size_t corner = (size_t)(2 * y) * w2 + 2 * x;
            int count = 0;
            for (int k = 0; k < 4; k++) {
                size_t i = corner + (k & 1) + (size_t)(k >> 1) * w2;
                if (buffer->id[i] != EMPTY) { count++; cover[i]++; }
            }
            if (!count) continue;
            int k = hash(x * 3 + number * 7919, y) >> 3 & 3; /* one of the samples that are covered */
            while (buffer->id[corner + (k & 1) + (size_t)(k >> 1) * w2] == EMPTY) k = (k + 1) & 3;
            size_t i = corner + (k & 1) + (size_t)(k >> 1) * w2;
            float sx = (float)(2 * x + (k & 1)) + .5f, sy = (float)(2 * y + (k >> 1)) + .5f;
            float u = s->left + (sx * .5f - pass->shift[0]) * s->pixel - pass->lens[0] / s->focus;
            float v = s->bottom + ((float)s->height - (sy * .5f - pass->shift[1])) * s->pixel - pass->lens[1] / s->focus;
            float z = 1.f / buffer->depth[i], light[3] = {0, 0, 0};
            Sample p;
            for (int a = 0; a < 3; a++) {
                float ray = c->axes[a] * u + c->axes[3 + a] * v - c->axes[6 + a];
                p.at[a] = c->place[a] + ray * z;
                p.view[a] = -ray;
            }
            normalise(p.view);
            uint32_t id = buffer->id[i];
            if (id & STRAND) strand_sample(&p, s, points, f->point_normals, id & ~STRAND);
            else surface_sample(&p, s, vertices, f->normals, id);
            for (int l = 0; l < 2; l++) {
                float off = p.strand ? .004f : f->shadow_bias, bias = p.strand ? .016f : f->shadow_bias * .9f;
                float visible = lit(shadows + l, p.at, p.face, off, bias);
                if (p.hair) hair_light(&p, pass->direction[l], pass->radiance[l], visible, light);
                else surface_light(&p, pass->direction[l], pass->radiance[l], visible, l == 1, light);
            }
            sky_light(&p, &s->sky, light);
            float weight = (float)count * .25f, *to = colour + 4 * ((size_t)y * s->width + x);
            for (int a = 0; a < 3; a++) to[a] += light[a] * weight;
            to[3] += weight;
        }
}

/* cover: 2h x 2w counts of passes; colour: h x w x 4, sums of light times weight and of weight; both zero before.
 * Returns 0, or 1 where memory is short. */
int vimatte_render(const Scene *s, const Moment *f, uint16_t *cover, float *colour) {
    const size_t samples = (size_t)s->width * s->height * 4, texels = (size_t)s->shadow_side * s->shadow_side;
    float *vertices = malloc(sizeof(float) * 3 * (s->n_vertices + 1)), *points = malloc(sizeof(float) * 3 * (s->n_points + 1));
    float *screen = malloc(sizeof(float) * 3 * (s->n_vertices + 1)), *fibres = malloc(sizeof(float) * 4 * (s->n_points + 1));
    Buffer view = {2 * s->width, 2 * s->height, malloc(sizeof(float) * samples), malloc(sizeof(uint32_t) * samples)};
    Shadow shadows[2];
    int failed = !vertices || !points || !screen || !fibres || !view.depth || !view.id;
    for (int l = 0; l < 2; l++) {
        shadows[l].map = (Buffer){s->shadow_side, s->shadow_side, malloc(sizeof(float) * texels), 0};
        failed |= !shadows[l].map.depth;
    }
    for (int number = 0; number < s->n_passes && !failed; number++) {
        const Pass *pass = s->passes + number;
        moved(vertices, f->vertices, 3 * s->n_vertices, pass->time);
        moved(points, f->points, 3 * s->n_points, pass->time);
        Camera c = camera_at(f, pass);
        for (int i = 0; i < s->n_vertices; i++) project(s, pass, &c, vertices + 3 * i, screen + 3 * i);
        for (int i = 0; i < s->n_points; i++)
            fibres[4 * i + 3] = project(s, pass, &c, points + 3 * i, fibres + 4 * i)
                                    ? s->half_width[i] * fibres[4 * i + 2] / s->pixel * 2.f : 0;
        memset(view.depth, 0, sizeof(float) * samples);
        memset(view.id, 0xff, sizeof(uint32_t) * samples);
        draw_triangles(&view, s, screen, number, 1);
        draw_strands(&view, s, fibres, number, 1);
        for (int l = 0; l < 2; l++) {
            Shadow *shadow = shadows + l;
            aim(shadow, pass->direction[l], f, s->shadow_side, number, l);
            float wide = .5f * (shadow->scale_x + shadow->scale_y);
            for (int i = 0; i < s->n_vertices; i++) from_light(shadow, vertices + 3 * i, screen + 3 * i);
            for (int i = 0; i < s->n_points; i++) {
                from_light(shadow, points + 3 * i, fibres + 4 * i);
                fibres[4 * i + 3] = s->half_width[i] * wide;
            }
            memset(shadow->map.depth, 0, sizeof(float) * texels);
            draw_triangles(&shadow->map, s, screen, number, 0);
            draw_strands(&shadow->map, s, fibres, number + 1000 * (l + 1), SHADOW_STEP);
        }
        shade(s, f, pass, number, &c, &view, shadows, vertices, points, cover, colour);
    }
    free(vertices); free(points); free(screen); free(fibres); free(view.depth); free(view.id);
    free(shadows[0].map.depth); free(shadows[1].map.depth);
    return failed;
}
