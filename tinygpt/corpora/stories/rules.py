"""Rules of the story grammar: the seasons, and the sentences that every plot may use.

The notation is that of :mod:`tinygpt.corpora.stories.grammar`.
"""

from __future__ import annotations

from types import MappingProxyType

from tinygpt.corpora.stories.words import COLOURS, TRAITS


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(" / "))


# Season → phrases for the day of a story (DAYS), and sentences about the weather in it (SKIES).
DAYS = MappingProxyType(
    {
        "spring": (
            "one bright spring morning", "one fresh morning in April", "on the first warm day of spring",
            "one spring afternoon", "one mild morning in May", "early one day in spring", "one windy spring day",
        ),
        "summer": (
            "one sunny summer morning", "one hot afternoon in July", "on the longest day of summer",
            "one lazy summer afternoon", "early one summer morning", "one warm day in June", "one golden summer day",
        ),
        "autumn": (
            "one windy autumn morning", "one grey afternoon in October", "on a cool day in autumn",
            "one misty autumn morning", "early one day in autumn", "one windy day in November", "one crisp autumn day",
        ),
        "winter": (
            "one cold winter morning", "one snowy afternoon in January", "on the shortest day of winter",
            "one frosty morning in December", "early one winter day", "one quiet winter afternoon", "one icy day",
        ),
    }
)  # fmt: skip

SKIES = MappingProxyType(
    {
        "spring": (
            "The birds were singing in every tree.",
            "Small white clouds [ran|sailed|drifted] across the sky.",
            "The air smelled of [rain|grass|flowers|wet earth].",
            "The first [bees|butterflies] were busy among the flowers.",
            "[Yellow|White|Pink|Purple] flowers had opened everywhere.",
            "A soft rain had washed everything clean.",
            "The wind [played with|pulled at|shook] the new leaves.",
            "A [blackbird|robin|cuckoo|thrush] was singing, and the sun was warm.",
        ),
        "summer": (
            "The sun was [hot|warm|bright], and the sky was [blue|clear and blue|as blue as the sea].",
            "[Bees|Butterflies|Dragonflies] flew from flower to flower.",
            "The grass was [tall|dry|warm], and the crickets were singing.",
            "There was not a cloud in the sky.",
            "The air smelled of [hay|roses|strawberries|warm grass].",
            "A little wind came up and cooled the air.",
            "Even the [birds|cats|cows] were resting in the shade.",
            "The shadows were short and the day was long.",
        ),
        "autumn": (
            "[Red|Yellow|Brown|Golden] leaves were falling from the trees.",
            "The wind blew the leaves [round and round|along the path|into every corner|high into the air].",
            "The air smelled of [apples|smoke|mushrooms|wet leaves].",
            "Fat grey clouds hung over the hills.",
            "The wild geese were flying south.",
            "There were [apples|nuts|mushrooms|berries] everywhere.",
            "A thin mist lay over the fields.",
            "The days were getting shorter, and the [evenings|mornings] were cold.",
        ),
        "winter": (
            "Snow lay on [the roofs|the fields|every branch|the path], and everything was quiet.",
            "The [pond|puddle|stream] was frozen, and the ice [shone|sparkled|creaked].",
            "Big snowflakes were falling slowly from the sky.",
            "The air was so cold that every breath made a little cloud.",
            "The sun was low and pale.",
            "[A robin|A hungry crow|A small brown bird] sat on a bare branch.",
            "The wind was sharp, and the snow [crunched|squeaked] underfoot.",
            "Icicles hung in a row like [teeth|candles|glass needles].",
        ),
    }
)
SEASONS = tuple(DAYS)


RULES = MappingProxyType(
    {
        "colour": COLOURS,
        "trait": TRAITS,
        "opening": (
            "Once upon a time there was a@ {trait} {kind} [called|named] {hero}. <about>",
            "Once there was a@ {trait} {kind} whose name was {hero}. <about>",
            "In {home} lived a@ {trait} {kind} [called|named] {hero}. <habit>",
            "{Hero} was a@ {trait} {kind} who lived in {home}. <habit>",
            "A@ {trait} {kind} [called|named] {hero} lived in {home}. <habit>",
            "Long ago, in {home}, there lived a@ {trait} {kind}. {His} name was {hero}. <habit>",
            "There was once a@ {trait} {kind}, and everybody called {him} {hero}. <about>",
            "This is a story about {hero}, a@ {trait} {kind}. <about>",
            "Do you know {hero}? {He} was a@ {trait} {kind} who lived in {home}. <habit>",
            "Everybody knew {hero}, the {trait} {kind} who lived in {home}. <habit>",
        ),
        "about": (
            "{He} lived in {home}. <habit>",
            "{He} lived in {home}[ with {his} family|], and {he} had {feature}. <background>",
            "{He} had {feature}, and {he} lived in {home}. <background>",
            "{Hero} had {feature}. {He} lived in {home}, and {he} [loved|liked] to {hobby}.",
        ),
        "habit": (
            "{He} [loved|liked] to {hobby}. <background>",
            "{He} [loved|liked] to {hobby}, and {he} had {feature}.",
            "{Hero} had {feature}, and most of all {he} liked to {hobby}. <background>",
            "Every day {he} found some time to {hobby}. <background>",
            "{His} favourite thing was to {hobby}. <background>",
            "When the work was done, {he} liked to {hobby}.",
            "{He} had {feature}. <background>",
        ),
        "background": (
            "",
            "When {he} was big, {he} wanted to be a@ <job>[, or perhaps a@ <job>|].",
            "[In the morning|After breakfast] {he} always said good morning to the <small> and to the <still>.",
            "{He} knew [three|five|seven|ten] songs[ by heart|], and one of them was about a@ <colour> <thing>.",
            "On a shelf {he} kept a@ <colour> <thing>, a@ <colour> <thing> and [a|one] very old <thing>.",
            "{He} [and {helper} often|often] <together> [on Sundays|in the evening|when it rained].",
            "{His} favourite colour was <colour>, and {his} favourite food was <snack>.",
            "{He} liked <snack>, but {he} did not like <dislike>[ at all|].",
            "Once {he} had <feat>, and [{helper}|everybody] still talked about it.",
            "{He} was good at [running|climbing|counting|listening|telling jokes|whistling|finding things], but "
            "{he} was not so good at [waiting|tidying up|being quiet|getting up early|sitting still|saying goodbye].",
            "[Everybody|Nearly everybody] liked {him}, and {he} liked everybody, except [perhaps|] the <small>.",
            "{He} could [run|talk|climb|laugh] [longer|better|louder] than [anybody else|{helper}|all the others].",
        ),
        "job": _words(
            "sailor / baker / doctor / teacher / painter / singer / gardener / captain / dancer / clockmaker / "
            "farmer / fisher / explorer / carpenter / inventor / acrobat / king / queen / train driver / pilot / "
            "beekeeper / shoemaker / drummer / astronomer / juggler / lighthouse keeper"
        ),
        "small": _words(
            "snails / ants / birds / frogs / bees / geese / crows / spiders / cows / turtles / swallows / moths / "
            "hens / beetles / sheep / ducks / worms / sparrows / cats / goats / mice / crickets"
        ),
        "thing": _words(
            "shell / feather / stone / hat / boat / cup / spoon / button / leaf / star / bottle / ribbon / key / "
            "bell / box / glove / sock / kite / ball / whistle / umbrella / teapot / chair / apple / egg / fish / "
            "moon / horse / bird / house / clock / lamp / balloon / drum / cloud / elephant / train / island"
        ),
        "snack": _words(
            "apples / cheese / nuts / carrots / berries / honey / soup / pancakes / plums / cherries / toast / "
            "pears / porridge / walnuts / milk / bread and butter / peaches / grapes / butter / jam"
        ),
        "dislike": ("turnips", "cabbage", "onions", "radishes", "spinach", "beans", "beetroot", "peas", "garlic"),
        "still": ("trees", "flowers", "clouds", "stones", "hills", "chimney", "fence", "sun", "old clock", "well"),
        "together": _words(
            "looked at the stars / baked bread / told stories / went for a walk / sang old songs / played cards / "
            "watered the flowers / mended things / drank tea / fed the ducks / looked for mushrooms / did nothing "
            "at all"
        ),
        "feat": (
            "slept for two whole days",
            "walked to the sea and back",
            "eaten eleven pancakes",
            "talked to a whale",
            "found a gold coin in a shoe",
            "fallen asleep in a wheelbarrow",
            "made a snowman with four arms",
            "climbed on the roof to see the moon",
            "sailed down the river in a washing tub",
            "won a prize for the biggest turnip",
            "caught a cloud in a jar, or so {he} said",
            "sung so loudly that the crows flew away",
            "painted the fence in nine colours",
            "counted all the stones in the garden",
            "lost both shoes in one morning",
            "worn a hat made of cabbage",
            "taught a goose to dance",
            "found the way home in a snowstorm",
        ),
        "meet": (
            "On the way {he} met {friend}, {a_friend}. <friend_detail>",
            "There {he} met {friend}, {a_friend}. <friend_detail>",
            "Just then {friend} came along. {Friend} was {a_friend}. <friend_detail>",
            "Soon {his} friend {friend}, {a_friend}, came by. <friend_detail>",
            "{Friend}, {a_friend}, was sitting there already. <friend_detail>",
        ),
        "friend_detail": (
            "",
            "",
            "{Fhe} was [carrying|holding] a@ <colour> <thing>.",
            "{Fhe} was [humming a song|eating an apple|looking at the sky|looking for <snack>|counting the <small>].",
            "{Fhe} had a@ <colour> <thing> under one arm.",
            "{Fhe} was on {fhis} way to [the market|{place}|a party|the river] to [buy|look for|sell] some <snack>.",
            "{Fhe} had just been talking to the <small>.",
        ),
        "on_the_way": (
            "",
            "The way led past a@ <colour> [house|barn|gate|bridge] and a field full of <small>.",
            "Beside the path sat a@ <job> who was [looking for|drawing|mending|washing] a@ <colour> <thing>.",
            "From far away came the sound of [bells|a drum|a flute|barking|hammering|a song about <snack>].",
            "Somebody had left a@ <colour> <thing> [on a stone|on a wall|on a bench|beside the path].",
            "[Two|Three|Four|Seven] <small> were [arguing|talking|sleeping|having a party|playing] [in the shade|"
            "under a tree|beside the road|near a puddle].",
            "[An old|A tall|A fat|A sleepy|A jolly] <job> [waved|nodded|whistled|called hello] from [a window|"
            "a cart|the other side of the road].",
            "There was a smell of <snack> in the air.",
        ),
        "ask_why": (
            '"What is the matter, {hero}?" asked {friend}.',
            '"Why do you look so sad?" {friend} asked.',
            '"Hello, {hero}! Is something wrong?" said {friend}.',
            '"You look worried," said {friend}. "What has happened?"',
        ),
        "thanks": (
            '"Thank you, {friend}," said {hero}.',
            '"Thank you!" said {hero}. "You are a good friend."',
            '"I could not have done it without you," {hero} told {friend}.',
            '"How kind you are, {friend}!" said {hero}.',
            "{Hero} thanked {friend} again and again.",
        ),
        "glad": (
            "{Hero} was so happy that {he} [danced|jumped up and down|laughed out loud|turned in a circle].",
            "{Hero} laughed for joy.",
            "{Hero}'s heart [jumped|sang|felt light].",
            "A big smile came over {hero}'s face.",
            "{Hero} felt warm all over.",
            "{Hero} could have [kissed|hugged] the whole world.",
            "[How happy {hero} was|How {hero} laughed|How good that felt]!",
            "{Hero} felt as [light as a feather|tall as a tree|bright as a lamp|happy as a lark].",
            "It was the [best|happiest] [moment|minute] of the whole [week|month|year].",
            "{Hero}'s eyes shone like [two stars|two lamps|new coins].",
            "{Hero} could hardly believe it.",
        ),
        "sad": (
            "{Hero} felt [very sad|sad and alone|like crying].",
            "A tear ran down {hero}'s nose.",
            "{Hero} sat down and [sighed|cried a little|put {his} head down].",
            "{Hero}'s heart was heavy.",
            "{Hero} did not know what to do.",
            "{Hero} looked at {his} feet for a long time.",
            "[All at once|Suddenly] {hero} did not feel [hungry|big|brave|clever] any more.",
            "{Hero} [swallowed hard|bit {his} lip|sat very still], so as not to cry.",
            "It felt as if [a cloud had covered the sun|somebody had put out the light|the whole day had turned grey].",
            "{Hero} wished that {he} were [at home in bed|somebody else|far away|as small as an ant].",
        ),
        "moral": (
            "It is good to have a friend.",
            "A little kindness goes a long way.",
            "A kind word costs nothing.",
            "Even a very small {kind_noun} can do great things.",
            "Every day holds a surprise for those who look for it.",
            "And if you pass by {place}, you may still see them there.",
        ),
        "night": (
            "That night {hero} fell asleep with a smile.",
            "When the moon came up, {hero} was already fast asleep.",
            "That night {he} dreamed of [the sea|the stars|flying over the hills|tomorrow|a long and happy summer].",
            "That night {he} dreamed of a@ <colour> <thing> that could [talk|sing|fly|dance|swim|laugh].",
            "At night {he} dreamed that {he} was a@ <job> [on the moon|in a far country|in a city of glass].",
            "In the evening {hero} told the whole story [at supper|by the fire|from beginning to end].",
            "{Hero} went to bed tired and happy.",
            "And when the stars came out, everybody was asleep.",
        ),
        "close": (
            "<night>",
            "<night>",
            "And that was the end of a very good day.",
            "From that day on, {hero} and {friend} were the best of friends.",
            "{Hero} never forgot that day.",
            "{Hero} and {friend} still talk about it today.",
            "<moral>",
            "The end.",
            "And they all lived happily ever after.",
            "",
        ),
    }
)
