-- Awkward values, one a row: every row sets one column, and the others are NULL. The outcome of each at every destination stands in outcomes.json.
create type mood as enum ('sad', 'So "so", fine', 'happy');
create domain positive as numeric(12, 3) check (value > 0);
create domain short_text as varchar(5);
create type point_in_time as (x int, "Y y" text, at timestamptz);
create table golden (
  id int primary key,
  at timestamptz not null default '2026-01-01 00:00:00+00',
  flag bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8,
  n38 numeric(38, 10), n18 numeric(18, 2), nneg numeric(5, -2), num numeric, n50 numeric(50, 5), cash money,
  txt text, vc varchar(20), ch char(5), sys name, kind mood, dom positive, dtx short_text,
  b bytea, u uuid, js json, jb jsonb,
  d date, tm time, ttz timetz, ts timestamp, tstz timestamptz, iv interval,
  ia int[], ta text[], na numeric(10, 2)[], ua numeric[], tsa timestamptz[], ba bytea[], ja jsonb[], ma mood[],
  r4 int4range, rts tstzrange, mr int4multirange,
  ip inet, net cidr, mac macaddr, mac8 macaddr8, bits bit(7), vbits varbit, doc xml, words tsvector, query tsquery,
  pt point, comp point_in_time, lsn pg_lsn, xid8 xid8, path jsonpath, reg regclass,
  "Mixed Case" text, "a""; drop table golden; --" text, "ключ 键" text
);
insert into golden (id) values (1);
insert into golden (id, flag) values (10, true), (11, false);
insert into golden (id, i2) values (20, 32767), (21, -32768), (22, 0);
insert into golden (id, i4) values (30, 2147483647), (31, -2147483648);
insert into golden (id, i8) values (40, 9223372036854775807), (41, -9223372036854775808), (42, 9007199254740993);
insert into golden (id, f4) values (50, 'NaN'), (51, 'Infinity'), (52, '-Infinity'), (53, 1e-45), (54, 3.4028235e38), (55, '-0'), (56, 0.1), (57, 16777216);
insert into golden (id, f8) values (60, 'NaN'), (61, 'Infinity'), (62, '-Infinity'), (63, 5e-324), (64, 1.7976931348623157e308), (65, '-0'), (66, 0.1), (67, 1e21), (68, 123456789012345680000);
insert into golden (id, n38) values (70, 1234567890123456789012345678.0123456789), (71, -9999999999999999999999999999.9999999999), (72, 0.0000000001), (73, 'NaN'), (74, 0);
insert into golden (id, n18) values (80, 9999999999999999.99), (81, -0.01), (82, 1.50), (83, 'NaN');
insert into golden (id, nneg) values (90, 1234567);
insert into golden (id, num) values (100, 12345678901234567890123456789012345678901234567.891), (101, 'NaN'), (102, 'Infinity'), (103, '-Infinity'), (104, 1.500), (105, 1e-30), (106, 1e60), (107, -0.0);
insert into golden (id, n50) values (110, 123456789012345678901234567890123456789012345.12345), (111, 'NaN');
insert into golden (id, cash) values (120, -1234567.89);
insert into golden (id, txt) values (130, ''), (131, '\N'), (132, 'NULL'), (133, 'null'), (134, 'a"b,c' || chr(10) || chr(13) || chr(9) || '\d' || chr(39)), (135, 'e' || U&'\0301' || '😀'), (136, U&'\FEFFbom \2028 \FFFF'), (137, ' blank at both ends '), (138, chr(1) || chr(127)), (139, repeat('x', 70000));
insert into golden (id, vc) values (140, 'twenty characters ok'), (141, '日本語日本語日本語日本語日本語日本語日本');
insert into golden (id, ch) values (145, 'ab'), (146, '     ');
insert into golden (id, sys) values (148, 'pg_class');
insert into golden (id, kind) values (150, 'So "so", fine');
insert into golden (id, dom) values (152, 12.340);
insert into golden (id, dtx) values (154, 'five5');
insert into golden (id, b) values (160, '\x00ff5c27'), (161, '\x');
insert into golden (id, u) values (165, '00000000-0000-0000-0000-0000000000ff'), (166, 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF');
insert into golden (id, js) values (170, '{"a":"x\u0000y"}'), (171, '{"a":1,"a":12345678901234567890123.5}'), (172, '{ "b" : [1, 2.50] }'), (173, 'null'), (174, '"\ud83d\ude00"'), (175, '[]'), (176, E'{"line":\n1}'), (177, '["\\u0000"]'), (178, '"half \ud800"');
insert into golden (id, jb) values (180, '{"n":123456789012345678901234567890.5}'), (181, 'null'), (182, '{"b":1,"a":[1.50,1e3]}'), (183, '"text"');
insert into golden (id, d) values (190, 'infinity'), (191, '-infinity'), (192, '9999-12-31'), (193, '10000-01-01'), (194, '0001-01-01'), (195, '0001-12-31 BC'), (196, '4713-01-01 BC'), (197, '5874897-12-31'), (198, '2024-02-29'), (199, '1582-10-10');
insert into golden (id, tm) values (200, '24:00:00'), (201, '00:00:00'), (202, '23:59:59.999999');
insert into golden (id, ttz) values (205, '12:00:00.000001+05:30'), (206, '24:00:00-15:59:59');
insert into golden (id, ts) values (210, '2024-03-31 02:30:00.123456'), (211, 'infinity'), (212, '-infinity'), (213, '4713-01-01 00:00:00 BC'), (214, '294276-12-31 23:59:59.999999'), (215, '1969-12-31 23:59:59.999999'), (216, '0001-12-31 23:59:59 BC'), (217, '2026-03-08 02:30:00'), (218, '10000-01-01');
insert into golden (id, tstz) values (220, '2024-02-29 23:59:59.999999+00'), (221, 'infinity'), (222, '-infinity'), (223, '0001-01-01 00:00:00+00 BC'), (224, '20000-01-01 00:00:00+00'), (225, '2026-11-01 01:30:00-05'), (226, '2026-11-01 01:30:00-06'), (227, '1883-11-18 12:00:00+00');
insert into golden (id, iv) values (230, '1 mon 2 days 3.5 s'), (231, '-1 year 2 mons -3 days 04:05:06.000001'), (232, '0'), (233, '178000000 years'), (234, '-00:00:00.000001'), (235, 'infinity'), (236, '25:00:00');
insert into golden (id, ia) values (240, '{1,NULL,3}'), (241, '{{1,2},{3,4}}'), (242, '{}'), (243, '[0:1]={7,8}'), (244, '{NULL}');
insert into golden (id, ta) values (250, array['a,b', 'c"d', 'NULL', null, '', '\', '{}', '😀']);
insert into golden (id, na) values (255, '{1.50,NaN,-0.01}'), (256, '{1.50,NULL}');
insert into golden (id, ua) values (257, '{1.50,NaN,Infinity,1e-20}');
insert into golden (id, tsa) values (258, '{2024-02-29 23:59:59.999999+00,infinity}'), (259, '{2024-02-29 23:59:59.999999+00,NULL}');
insert into golden (id, ba) values (260, array['\x00ff'::bytea, '\x', null]);
insert into golden (id, ja) values (261, array['{"a": 1.50}'::jsonb, 'null', null]);
insert into golden (id, ma) values (262, array['happy', 'So "so", fine', null]::mood[]);
insert into golden (id, r4) values (265, '[1,5)'), (266, 'empty'), (267, '(,)');
insert into golden (id, rts) values (268, '[2024-01-01 00:00:00+00,infinity]');
insert into golden (id, mr) values (269, '{[1,3),[5,)}');
insert into golden (id, ip) values (270, '10.1.2.3/8'), (271, '::ffff:1.2.3.4/128');
insert into golden (id, net) values (272, '10.0.0.0/8');
insert into golden (id, mac) values (273, '08:00:2b:01:02:03');
insert into golden (id, mac8) values (274, '08:00:2b:01:02:03:04:05');
insert into golden (id, bits) values (275, B'1010001');
insert into golden (id, vbits) values (276, B'101'), (277, B'');
insert into golden (id, doc) values (278, '<a b="1">ü<!-- c --></a>');
insert into golden (id, words) values (279, $$'a fat':2A 'it''s':4,5C$$);
insert into golden (id, query) values (280, 'fat & (rat | !cat:A)');
insert into golden (id, pt) values (281, '(1.5,-0.1)');
insert into golden (id, comp) values (282, row(1, 'a,"b"', '2024-02-29 12:00:00+00')), (283, row(null, '', null));
insert into golden (id, lsn) values (284, '16/B374D848');
insert into golden (id, xid8) values (285, '18446744073709551615');
insert into golden (id, path) values (286, '$."a"[*]?(@ > 1)');
insert into golden (id, reg) values (287, 'golden');
insert into golden (id, "Mixed Case") values (290, 'in a name with blanks');
insert into golden (id, "a""; drop table golden; --") values (291, 'in a hostile name');
insert into golden (id, "ключ 键") values (292, 'in a name beyond ASCII');
